// One radiograph on a canvas: window and level by dragging, zoom and pan, inversion, and the heat map over it.
import { table } from "./grey.js";

const CLOSEST = 16;
const STEP = 1.25;

export class Viewer {
  constructor(figure, grey) {
    this.figure = figure;
    this.grey = grey;
    this.film = document.createElement("canvas");
    this.film.width = grey.columns;
    this.film.height = grey.rows;
    this.pixels = new ImageData(grey.columns, grey.rows);
    this.canvas = document.createElement("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "application");
    this.canvas.setAttribute("aria-label", figure.dataset.label);
    this.pointers = new Map();
    this.slider = figure.querySelector('[data-do="map"]');
    this.map = null;
    const screen = figure.querySelector(".screen");
    screen.style.aspectRatio = `${grey.columns} / ${grey.rows}`;
    screen.replaceChildren(this.canvas);
    for (const hidden of figure.querySelectorAll("[hidden]")) hidden.hidden = false;
    this.listen();
    this.reset();
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  reset() {
    const { centre, width, function: name } = this.grey;
    this.window = { centre, width, function: name };
    this.inverted = false;
    this.zoom = 1;
    this.at = { x: 0.5, y: 0.5 }; // the place of the image in the middle of the screen
    if (this.slider) this.slider.value = 0;
    this.render();
  }

  // Looks every pixel up again: what the window or the inversion has changed.
  render() {
    const { codes, inverted } = this.grey;
    const pixels = table(this.grey, this.window, inverted !== this.inverted);
    const shown = new Uint32Array(this.pixels.data.buffer);
    for (let index = 0; index < codes.length; index += 1) shown[index] = pixels[codes[index]];
    this.film.getContext("2d").putImageData(this.pixels, 0, 0);
    this.figure.querySelector('[data-do="invert"]').setAttribute("aria-pressed", String(this.inverted));
    this.draw();
  }

  // Pixels of the screen for one pixel of the image.
  get scale() {
    const { width, height } = this.canvas;
    return this.zoom * Math.min(width / this.grey.columns, height / this.grey.rows);
  }

  draw() {
    const ratio = window.devicePixelRatio || 1;
    const width = Math.max(1, Math.round(this.canvas.clientWidth * ratio));
    const height = Math.max(1, Math.round(this.canvas.clientHeight * ratio));
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    const { columns, rows } = this.grey;
    const context = this.canvas.getContext("2d");
    const scale = this.scale;
    context.fillStyle = "#000";
    context.fillRect(0, 0, width, height);
    context.imageSmoothingEnabled = scale < 4; // closer up the pixels themselves are shown
    const place = [width / 2 - this.at.x * columns * scale, height / 2 - this.at.y * rows * scale, columns * scale, rows * scale];
    context.drawImage(this.film, ...place);
    if (this.map && this.slider.value > 0) {
      context.imageSmoothingEnabled = true;
      context.globalAlpha = this.slider.value / 100;
      context.drawImage(this.map, ...place);
      context.globalAlpha = 1;
    }
    this.tell();
  }

  tell() {
    const { rows, columns, all_rows, all_columns } = this.grey;
    const round = (value) => String(Number(value.toPrecision(5)));
    const facts = { centre: round(this.window.centre), width: round(this.window.width), zoom: Math.round(100 * this.zoom), rows, columns, all_rows, all_columns };
    const fill = (sentence) => sentence.replace(/{(\w+)}/g, (_, name) => facts[name]);
    const { shown, shrunk } = this.figure.dataset;
    const parts = rows < all_rows || columns < all_columns ? [shown, shrunk] : [shown];
    this.figure.querySelector(".shown").textContent = parts.map(fill).join(" ");
  }

  // Shares of the window: to the right wider, downwards brighter.
  level(right, down) {
    const { width, centre } = this.window;
    const least = this.window.function === "LINEAR" ? 1 : this.grey.step;
    const way = this.grey.inverted !== this.inverted ? -1 : 1;
    this.window = { ...this.window, width: Math.max(width * Math.exp(right), least), centre: centre - way * down * width };
    this.render();
  }

  // Zooms about a place of the screen, in its own pixels from the middle.
  closer(factor, x = 0, y = 0) {
    const before = this.scale;
    this.zoom = Math.min(Math.max(this.zoom * factor, 1), CLOSEST);
    const moved = 1 / before - 1 / this.scale;
    this.pan(-x * moved * this.scale, -y * moved * this.scale);
  }

  pan(x, y) {
    const { columns, rows } = this.grey;
    const inside = (share) => Math.min(Math.max(share, 0), 1);
    this.at = { x: inside(this.at.x - x / (columns * this.scale)), y: inside(this.at.y - y / (rows * this.scale)) };
    if (this.zoom === 1) this.at = { x: 0.5, y: 0.5 };
    this.draw();
  }

  invert() {
    this.inverted = !this.inverted;
    this.render();
  }

  async overlay() {
    if (!this.map) {
      const map = new Image();
      map.src = this.figure.dataset.activation;
      await map.decode().then(() => { this.map = map; }, () => { this.figure.querySelector(".shown").textContent = this.figure.dataset.failed; });
    }
    if (this.map) this.draw();
  }

  listen() {
    const acts = { invert: () => this.invert(), closer: () => this.closer(STEP), farther: () => this.closer(1 / STEP), reset: () => this.reset() };
    for (const button of this.figure.querySelectorAll("button[data-do]")) button.addEventListener("click", acts[button.dataset.do]);
    if (this.slider) this.slider.addEventListener("input", () => this.overlay());
    this.canvas.addEventListener("keydown", (event) => this.key(event, acts));
    this.canvas.addEventListener("pointerdown", (event) => this.press(event));
    this.canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) this.canvas.addEventListener(name, (event) => this.pointers.delete(event.pointerId));
    this.canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    this.canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
  }

  key(event, acts) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrows = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
    const letters = { i: acts.invert, r: acts.reset, "+": acts.closer, "=": acts.closer, "-": acts.farther };
    const way = arrows[event.key];
    const act = letters[event.key.toLowerCase()];
    if (way && event.shiftKey) this.pan(-40 * way[0], -40 * way[1]);
    else if (way) this.level(0.05 * way[0], -0.02 * way[1]);
    else if (act) act();
    else if (event.key.toLowerCase() === "h" && this.slider) {
      this.slider.value = this.slider.value > 0 ? 0 : 50;
      this.overlay();
    } else return;
    event.preventDefault();
  }

  press(event) {
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  }

  // One finger, or the first button, windows; two fingers, another button or Shift pan.
  move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
    const after = { x: event.clientX, y: event.clientY };
    this.pointers.set(event.pointerId, after);
    const [right, down] = [after.x - before.x, after.y - before.y];
    const ratio = window.devicePixelRatio || 1;
    if (others.length) {
      const apart = (place) => Math.hypot(place.x - others[0].x, place.y - others[0].y) || 1;
      this.closer(apart(after) / apart(before));
      this.pan((right * ratio) / 2, (down * ratio) / 2);
    } else if (event.buttons !== 1 || event.shiftKey) this.pan(right * ratio, down * ratio);
    else this.level(right / 300, down / 600);
  }

  wheel(event) {
    if (document.activeElement !== this.canvas) return; // the page scrolls until the image is chosen
    event.preventDefault();
    const ratio = window.devicePixelRatio || 1;
    const box = this.canvas.getBoundingClientRect();
    const place = [event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2];
    this.closer(Math.exp(-event.deltaY / 500), place[0] * ratio, place[1] * ratio);
  }
}
