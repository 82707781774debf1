// Opens a study in OHIF, one series after the other, and prints what its page says of each as a JSON list.
// Arguments: the study's address, then for each series: its number, text to wait for, path of the picture.
const { chromium } = require(process.env.PLAYWRIGHT_CORE);

const SWITCHES = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--use-gl=angle', '--use-angle=swiftshader',
  '--enable-unsafe-swiftshader',
];
const SETTLED_MS = 3000; // the time in which the picture is drawn, or the page breaks down

async function look(address, wanted) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, headless: true, args: SWITCHES });
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 920 } });
    const console = [];
    page.on('console', message => console.push(message.text()));
    page.on('pageerror', error => console.push(String(error)));
    for (const notice of ['Skip all', 'Confirm and hide']) {
      const button = page.getByText(notice);
      // Not as a person clicks: one notice may lie over the other.
      await page.addLocatorHandler(button, () => button.evaluate(element => element.click()));
    }
    await page.goto(address, { waitUntil: 'domcontentloaded' });
    const seen = [];
    for (const [number, expected, picture] of wanted) {
      const series = page.locator('[data-cy^="study-browser-thumbnail"]').filter({ hasText: number }).first();
      await series.dblclick({ timeout: 60000 });
      const arrived = text => document.body.innerText.includes(text);
      await page.waitForFunction(arrived, expected, { timeout: 30000 }).catch(() => undefined);
      await page.waitForTimeout(SETTLED_MS);
      await series.hover(); // an action, before which the viewer's notices are clicked away
      await page.screenshot({ path: picture });
      seen.push({ text: await page.evaluate(() => document.body.innerText), console: console.splice(0) });
    }
    return seen;
  } finally {
    await browser.close();
  }
}

const [address, ...rest] = process.argv.slice(2);
const wanted = [];
while (rest.length) wanted.push(rest.splice(0, 3));
look(address, wanted).then(
  seen => process.stdout.write(JSON.stringify(seen)),
  error => { process.stderr.write(String(error)); process.exitCode = 1; },
);
