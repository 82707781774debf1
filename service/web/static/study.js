// Turns each radiograph of a study's page into a viewer. Without it, or where it fails, the picture stays.
import { fetchGrey } from "./grey.js";
import { Viewer } from "./viewer.js";

async function open(figure) {
  try {
    new Viewer(figure, await fetchGrey(figure.dataset.grey));
  } catch {
    figure.querySelector(".shown").textContent = figure.dataset.failed;
  }
}

// An image is decoded when it comes near the screen, not before.
const watcher = new IntersectionObserver(
  (entries) => {
    for (const entry of entries.filter((candidate) => candidate.isIntersecting)) {
      watcher.unobserve(entry.target);
      open(entry.target);
    }
  },
  { rootMargin: "300px" },
);
for (const figure of document.querySelectorAll("figure.viewer")) watcher.observe(figure);
