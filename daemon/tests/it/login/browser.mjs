// Somebody signs in with a real browser, looks at their sessions, and signs out: here, and everywhere.
// Arguments: the site's URL, a directory for profiles and screenshots, the directory of node modules.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [site, directory, modules] = process.argv.slice(2);
const { chromium } = createRequire(join(modules, 'x.js'))('playwright-core');

const args = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

async function browser(name) {
  const context = await chromium.launchPersistentContext(join(directory, name), {
    executablePath: '/usr/bin/chromium',
    headless: true,
    args,
    ignoreHTTPSErrors: true,
    viewport: { width: 900, height: 640 },
  });
  context.setDefaultTimeout(60_000);
  const page = context.pages()[0] ?? (await context.newPage());
  // What the policy of a page refuses, the browser tells here.
  page.on('console', (message) => {
    assert.ok(!message.text().includes('Content Security Policy'), message.text());
  });
  return { context, page };
}

async function shoot(page, name) {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: join(directory, `${name}-${colorScheme}.png`) });
  }
}

async function signIn(page) {
  await page.goto(`${site}/login?return_to=/account`);
  await page.getByRole('button', { name: 'Sign in with GitHub' }).click();
  await page.waitForURL(/login\/oauth\/authorize/);
  await page.getByRole('button', { name: 'alice' }).click();
  await page.waitForURL(`${site}/account`);
}

async function isSignedIn(page) {
  await page.goto(`${site}/account`);
  return page.url() === `${site}/account`;
}

const one = await browser('one');
const two = await browser('two');
try {
  await one.page.goto(`${site}/account`);
  assert.equal(one.page.url(), `${site}/login`, 'nobody has no account page');
  await shoot(one.page, 'login');
  const background = await one.page.evaluate(() => getComputedStyle(document.querySelector('.card')).borderRadius);
  assert.notEqual(background, '0px', 'the stylesheet is loaded');

  await signIn(one.page);
  await signIn(two.page);
  await one.page.reload();
  assert.equal(await one.page.locator('.session').count(), 2, 'both browsers are listed');
  assert.equal(await one.page.locator('.session.this').count(), 1);
  assert.match(await one.page.locator('.session.this .name').innerText(), /Linux/);
  await shoot(one.page, 'account');
  const cookies = await one.context.cookies(site);
  const cookie = cookies.find((each) => each.name === '__Host-orchd');
  assert.deepEqual([cookie.httpOnly, cookie.secure, cookie.sameSite, cookie.path], [true, true, 'Lax', '/']);
  assert.equal(await one.page.evaluate(() => document.cookie), '', 'no script sees it');

  await one.page.getByRole('banner').getByRole('button', { name: 'Sign out' }).click();
  await one.page.waitForURL(/signed_out/);
  await shoot(one.page, 'signed-out');
  assert.equal(await isSignedIn(one.page), false, 'signed out here');
  assert.equal(await isSignedIn(two.page), true, 'and not there');

  await signIn(one.page);
  await one.page.getByRole('button', { name: 'Sign out everywhere' }).click();
  await one.page.waitForURL(/signed_out/);
  assert.equal(await isSignedIn(one.page), false);
  assert.equal(await isSignedIn(two.page), false, 'signed out everywhere');

  await one.page.goto(`${site}/login/callback?code=1&state=2`);
  await one.page.getByRole('heading', { name: 'This sign-in is over' }).waitFor();
  await shoot(one.page, 'problem');
  console.log('all of it was seen');
} finally {
  await one.context.close();
  await two.context.close();
}
