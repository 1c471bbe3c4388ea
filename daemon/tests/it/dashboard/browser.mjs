// The dashboard, looked at with a real browser.
// Arguments: the part to play, the site's URL, directories for profiles, screenshots and node modules, axe's file, and
// the paths of all pages with something to show, separated by commas.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const [part, site, profiles, shots, modules, axeFile, list] = process.argv.slice(2);
const { chromium } = createRequire(join(modules, 'x.js'))('playwright-core');
const paths = list.split(',');
const axe = readFileSync(axeFile, 'utf8');

const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };

// The heaviest page, with its stylesheet and script, in bytes.
const HEAVIEST = 60_000;

const args = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

const heard = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

// Something that happens outside of the browser.
async function act(deed) {
  console.log(`act ${deed}`);
  const { value } = await heard.next();
  assert.ok(value?.startsWith('done'), value);
  return value.slice('done '.length);
}

async function open(options = {}) {
  const context = await chromium.launchPersistentContext(join(profiles, Math.random().toString(36).slice(2)), {
    executablePath: '/usr/bin/chromium',
    headless: true,
    args,
    ignoreHTTPSErrors: true,
    viewport: DESKTOP,
    ...options,
  });
  context.setDefaultTimeout(30_000);
  const page = context.pages()[0] ?? (await context.newPage());
  page.on('console', (message) => {
    assert.ok(!/Content Security Policy|Uncaught/.test(message.text()), message.text());
  });
  page.on('pageerror', (error) => assert.fail(`a script failed: ${error}`));
  page.on('dialog', (dialog) => assert.fail(`a stranger's script ran: ${dialog.message()}`));
  await page.goto(`${site}/login`);
  await page.getByRole('button', { name: 'Sign in with GitHub' }).click();
  await page.waitForURL(`${site}/`);
  return { context, page };
}

async function visit(page, path) {
  const response = await page.goto(`${site}${path}`, { waitUntil: 'load' });
  assert.equal(response.status(), 200, path);
  return response;
}

// What a page is called in a file's name.
function named(path) {
  const name = path.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'ID').replace(/[^\w]+/g, '-').replace(/^-|-$/g, '');
  return (name || 'overview').slice(0, 60);
}

async function isAccessible(page, what) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => globalThis.axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
  }));
  const told = found.violations.map((each) => `${each.id}: ${each.help}\n${each.nodes.slice(0, 3).map((node) => `  ${node.html}\n  ${node.failureSummary}`).join('\n')}`);
  return told.map((each) => `${what}: ${each}`);
}

async function fits(page, what) {
  const wide = await page.evaluate(() => {
    const room = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= room) return [];
    const over = [...document.querySelectorAll('body *')].filter((each) => each.getBoundingClientRect().right > room + 1);
    return over.slice(0, 3).map((each) => each.outerHTML.slice(0, 200));
  });
  return wide.length ? [`${what} is wider than the screen: ${wide.join(' | ')}`] : [];
}

async function weighs(page, path) {
  let bytes = 0;
  const add = async (response) => {
    if (response.url().startsWith(site)) bytes += (await response.body().catch(() => Buffer.alloc(0))).length;
  };
  const waiting = [];
  const note = (response) => {
    if (!response.url().includes('/live/')) waiting.push(add(response));
  };
  page.on('response', note);
  await visit(page, path);
  page.off('response', note);
  await Promise.all(waiting);
  return bytes;
}

async function walk() {
  const { context, page } = await open();
  const wrong = [];
  const weights = [];
  for (const path of paths) {
    await context.clearCookies({ name: 'nothing' });
    const bytes = await weighs(page, path);
    weights.push(`${bytes} ${path}`);
    if (bytes > HEAVIEST) wrong.push(`${path} weighs ${bytes} bytes`);
    for (const [size, viewport] of [['desktop', DESKTOP], ['phone', PHONE]]) {
      await page.setViewportSize(viewport);
      for (const colorScheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme });
        const what = `${path} (${size}, ${colorScheme})`;
        wrong.push(...(await fits(page, what)));
        if (size === 'desktop' || colorScheme === 'light') wrong.push(...(await isAccessible(page, what)));
        await page.screenshot({ path: join(shots, `${named(path)}-${size}-${colorScheme}.png`), fullPage: false });
      }
      await page.emulateMedia({ colorScheme: 'light' });
    }
    await page.setViewportSize(DESKTOP);
    assert.notEqual(await page.title(), 'taken over', path);
  }
  console.log(weights.join('\n'));
  assert.equal(wrong.length, 0, wrong.join('\n\n'));
  await context.close();
}

async function deeds() {
  const { context, page } = await open();
  await visit(page, '/events');
  await page.locator('.live.on').first().waitFor();
  const before = await page.locator('tbody tr').count();
  const number = await act('an issue is opened');
  await page.locator(`tbody tr:has-text("acme/web#${number}")`).first().waitFor();
  assert.ok((await page.locator('tbody tr').count()) > before, 'it came by itself');
  await page.locator(`tbody tr:has-text("acme/web#${number}"):has-text("processed")`).first().waitFor();

  await page.getByLabel('Event', { exact: true }).fill('pull_request');
  await page.getByLabel('Action').fill('opened');
  await page.getByRole('button', { name: 'Filter' }).click();
  await page.waitForURL(/type=pull_request/);
  const kinds = new Set(await page.locator('tbody tr td:nth-child(2) code').allInnerTexts());
  assert.deepEqual([...kinds], ['pull_request.opened']);
  await context.close();
}

async function plain() {
  const { context, page } = await open({ javaScriptEnabled: false });
  for (const path of paths) {
    await visit(page, path);
    assert.equal(await page.locator('h1').count(), 1, path);
    assert.ok((await page.locator('main').innerText()).length > 20, `${path} shows something`);
  }
  await visit(page, '/events');
  await page.getByLabel('By').fill('alice');
  await page.keyboard.press('Enter');
  await page.waitForURL(/actor=alice/);
  await context.close();
}

await { walk, deeds, plain }[part]();
console.log('all of it was seen');
process.exit(0);
