// Works a study's viewer as a person does, under the page's own policy, and prints what came of it as JSON.
// Arguments: the page's address.
const { chromium } = require(process.env.PLAYWRIGHT_CORE);

const SWITCHES = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

// Runs in the page: grey levels of the image's middle row, as they stand on the screen.
function row() {
  const canvas = document.querySelector('.viewer canvas');
  const { data } = canvas.getContext('2d').getImageData(0, Math.floor(canvas.height / 2), canvas.width, 1);
  return Array.from({ length: canvas.width }, (_, column) => [data[4 * column], data[4 * column + 1], data[4 * column + 2]]);
}

async function work(address) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, headless: true, args: SWITCHES });
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    const errors = [];
    page.on('pageerror', error => errors.push(String(error)));
    page.on('console', message => { if (message.type() === 'error') errors.push(message.text()); });
    await page.goto(address, { waitUntil: 'load' });
    await page.waitForSelector('.viewer canvas');
    await page.waitForFunction(() => document.querySelector('.viewer canvas').width > 300);
    const canvas = page.locator('.viewer canvas');
    const told = () => page.locator('.viewer output').textContent();
    const steps = {};
    const note = async name => { steps[name] = { told: await told(), row: await page.evaluate(row) }; };
    await note('first');
    await canvas.focus();
    for (const [name, key] of [['wider', 'ArrowRight'], ['brighter', 'ArrowUp'], ['closer', '+'], ['moved', 'Shift+ArrowRight'], ['reset', 'r'], ['inverted', 'i'], ['restored', 'i']]) {
      await page.keyboard.press(key);
      await note(name);
    }
    const box = await canvas.boundingBox();
    await page.mouse.move(box.x + 200, box.y + 200);
    await page.mouse.down();
    await page.mouse.move(box.x + 260, box.y + 200);
    await page.mouse.up();
    await note('dragged');
    await page.keyboard.press('r');
    await page.mouse.wheel(0, -300);
    await note('wheeled');
    await page.keyboard.press('r');
    await page.keyboard.press('h');
    // The map comes from the server; the page's policy lets no string of ours be evaluated meanwhile.
    const first = JSON.stringify(steps.first.row);
    for (let tries = 0; tries < 100 && JSON.stringify(await page.evaluate(row)) === first; tries += 1) await page.waitForTimeout(100);
    await note('mapped');
    await page.keyboard.press('h');
    await note('unmapped');
    return { errors, steps };
  } finally {
    await browser.close();
  }
}

work(process.argv[2]).then(
  result => process.stdout.write(JSON.stringify(result)),
  error => { process.stderr.write(String(error)); process.exitCode = 1; },
);
