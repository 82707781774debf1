// Signs in at the provider as a person does, and out again; prints what the page said, and its cookies, as JSON.
// Arguments: the address that the person wants, the person's subject at the provider.
const { chromium } = require(process.env.PLAYWRIGHT_CORE);

const SWITCHES = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

async function signIn(address, subject) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, headless: true, args: SWITCHES });
  try {
    const context = await browser.newContext();
    const page = await context.newPage();
    const told = [];
    // Of what our own page says: the provider's looks for its fonts elsewhere.
    page.on('console', message => {
      if (message.type() === 'error' && message.location().url.startsWith(new URL(address).origin)) told.push(message.text());
    });
    await page.goto(address, { waitUntil: 'load' });
    const asked = page.url();
    await page.click('a.button');
    const provider = page.url();
    await page.fill('input[name=sub]', subject);
    await page.click('text="Authorize"');
    await page.waitForURL(address);
    const shown = await page.textContent('body');
    const cookies = await context.cookies(address);
    await page.click('form[action="/sign-out"] button');
    await page.waitForURL(/sign-in$/);
    await page.goto(address, { waitUntil: 'load' });
    return { asked, provider, shown, cookies, told, after: page.url() };
  } finally {
    await browser.close();
  }
}

signIn(...process.argv.slice(2)).then(
  seen => process.stdout.write(JSON.stringify(seen)),
  error => { process.stderr.write(String(error)); process.exitCode = 1; },
);
