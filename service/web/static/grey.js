// Grey values of a radiograph, and what a window shows of them (PS3.3 section C.11.2.1.2).

// Asks for an image's codes: 0 is padding, c is the grey value first + (c - 1) * step.
export async function fetchGrey(address) {
  const response = await fetch(address, { cache: "no-store", signal: AbortSignal.timeout(60000) });
  if (!response.ok) throw new Error(String(response.status));
  const facts = JSON.parse(response.headers.get("Auscult-Grey"));
  const bytes = new DataView(await response.arrayBuffer());
  const codes = new Uint16Array(facts.rows * facts.columns);
  for (let index = 0; index < codes.length; index += 1) codes[index] = bytes.getUint16(2 * index, true);
  return { ...facts, codes };
}

// Returns a function from a grey value to what is shown of it, from 0 to 1.
export function shownBy({ centre, width, function: name }) {
  if (name === "SIGMOID") return (value) => 1 / (1 + Math.exp((-4 * (value - centre)) / width));
  if (name === "LINEAR_EXACT") return (value) => (value - centre) / width + 0.5;
  if (width <= 1) return (value) => (value > centre - 0.5 ? 1 : 0);
  return (value) => (value - (centre - 0.5)) / (width - 1) + 0.5;
}

// Returns the pixel that each code becomes, as little endian RGBA.
export function table(grey, window, inverted) {
  const shown = shownBy(window);
  const pixels = new Uint32Array(65536);
  pixels[0] = 0xff000000;
  for (let code = 1; code < 65536; code += 1) {
    const share = Math.min(Math.max(shown(grey.first + (code - 1) * grey.step), 0), 1);
    const level = Math.round(255 * (inverted ? 1 - share : share));
    pixels[code] = (0xff000000 | (level << 16) | (level << 8) | level) >>> 0;
  }
  return pixels;
}
