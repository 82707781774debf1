// Opens pages in each width and colour scheme, and prints what axe-core and the layout say of each as a JSON list.
// Arguments: folder of the pictures, then the pages' addresses.
const fs = require('fs');
const path = require('path');
const { chromium } = require(process.env.PLAYWRIGHT_CORE);

const SWITCHES = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];
const WIDTHS = [1280, 390];

// Runs in the page: what reaches beyond the screen without a scrolled container of its own, by tag and class.
function beyond() {
  const scrolled = element => element.closest('.sheet') && getComputedStyle(element.closest('.sheet')).overflowX === 'auto';
  return [...document.querySelectorAll('main *, header *')]
    .filter(element => element.getClientRects().length && !element.closest('.unseen') && !element.closest('thead'))
    .filter(element => element.getBoundingClientRect().right > innerWidth + 1 && !scrolled(element))
    .map(element => `${element.tagName} ${element.getAttribute('class')}`);
}

// Runs in the page: whether the script has run and the server told it that the list is current; null without a list.
function isLive() {
  const pulse = document.getElementById('pulse');
  if (!pulse) return null;
  const [before, after] = pulse.dataset.live.split('{time}');
  const text = document.getElementById('pulse-text').textContent;
  return text.startsWith(before) && text.endsWith(after);
}

async function look(folder, addresses) {
  const axe = fs.readFileSync(path.join(process.env.AXE_CORE, 'axe.min.js'), 'utf8');
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, headless: true, args: SWITCHES });
  const seen = [];
  try {
    for (const colorScheme of ['dark', 'light']) {
      for (const width of WIDTHS) {
        // The page's own policy runs no script but ours; axe-core is the test's.
        const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme, bypassCSP: true });
        const page = await context.newPage();
        for (const [number, address] of addresses.entries()) {
          await page.goto(address, { waitUntil: 'load' });
          const live = await page.waitForFunction(`(${isLive})() !== false`, null, { timeout: 20000 })
            .then(() => page.evaluate(isLive), () => false);
          await page.evaluate(axe);
          const found = await page.evaluate(() => axe.run());
          const violations = found.violations.map(rule => `${rule.id}: ${rule.nodes[0].html}`);
          await page.screenshot({ path: path.join(folder, `${number}-${width}-${colorScheme}.png`), fullPage: true });
          seen.push({ address, width, colorScheme, live, violations, beyond: await page.evaluate(beyond) });
        }
        await context.close();
      }
    }
    return seen;
  } finally {
    await browser.close();
  }
}

const [folder, ...addresses] = process.argv.slice(2);
look(folder, addresses).then(
  seen => process.stdout.write(JSON.stringify(seen)),
  error => { process.stderr.write(String(error)); process.exitCode = 1; },
);
