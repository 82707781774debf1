// Opens objects in dwv, and prints what it says of each as a JSON list.
// Arguments: for each object its address and the path of the picture.
const { chromium } = require(process.env.PLAYWRIGHT_CORE);

const SWITCHES = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

async function look(wanted) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, headless: true, args: SWITCHES });
  try {
    const seen = [];
    for (const [address, picture] of wanted) {
      const page = await browser.newPage({ viewport: { width: 900, height: 900 } });
      const thrown = [];
      page.on('pageerror', error => thrown.push(String(error)));
      await page.goto(address);
      await page.waitForFunction(() => window.told, null, { timeout: 30000 });
      await page.waitForFunction(() => window.told.rendered, null, { timeout: 5000 }).catch(() => undefined);
      await page.screenshot({ path: picture });
      seen.push({ ...(await page.evaluate(() => window.told)), thrown });
      await page.close();
    }
    return seen;
  } finally {
    await browser.close();
  }
}

const rest = process.argv.slice(2);
const wanted = [];
while (rest.length) wanted.push(rest.splice(0, 2));
look(wanted).then(
  seen => process.stdout.write(JSON.stringify(seen)),
  error => { process.stderr.write(String(error)); process.exitCode = 1; },
);
