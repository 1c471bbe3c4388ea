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
  const { context, page } = await start(options);
  await page.goto(`${site}/login`);
  await page.getByRole('button', { name: 'Sign in with GitHub' }).click();
  await page.waitForURL(`${site}/`);
  return { context, page };
}

// A browser in which nobody is signed in.
async function start(options = {}) {
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
    const bytes = await weighs(page, path);
    weights.push(`${bytes} ${path}`);
    if (bytes > HEAVIEST) wrong.push(`${path} weighs ${bytes} bytes`);
    wrong.push(...(await isWell(page, named(path))));
    assert.notEqual(await page.title(), 'taken over', path);
  }
  console.log(weights.join('\n'));
  assert.equal(wrong.length, 0, wrong.join('\n\n'));
  await context.close();
}

const button = (page, name) => page.getByRole('button', { name, exact: true });
const heading = (page, name) => page.getByRole('heading', { name });

// A row that arrives by itself, and changes by itself; filters that stay in the address.
async function events(page) {
  await visit(page, '/events');
  await page.locator('.live.on').first().waitFor();
  const number = await act('an issue is opened');
  await page.locator(`tbody tr:has-text("acme/web#${number}"):has-text("processed")`).first().waitFor();

  await page.getByLabel('Event', { exact: true }).fill('pull_request');
  await page.getByLabel('Action').fill('opened');
  await button(page, 'Filter').click();
  await page.waitForURL(/type=pull_request/);
  const kinds = new Set(await page.locator('tbody tr td:nth-child(2) code').allInnerTexts());
  assert.deepEqual([...kinds], ['pull_request.opened']);

  await page.locator('tbody a').first().click();
  await page.waitForURL(/events\/[0-9a-f-]{36}$/);
  await page.getByText('What GitHub sent').click();
  await page.locator('[data-filled="yes"]').waitFor();
  assert.match(await page.locator('[data-filled="yes"]').innerText(), /"action"/);
  await page.getByRole('button', { name: /again/i }).first().click();
  await page.getByRole('status').getByText('The rules look at the event again.').waitFor();
}

async function items(page) {
  await visit(page, '/items/acme/web/2');
  await page.getByLabel(/Why did this rule/).selectOption('docs-label');
  await button(page, 'Tell me').click();
  await page.waitForURL(/rule=docs-label/);
  await page.getByText('did nothing here, because:').waitFor();
  await button(page, 'Let the rules look at it again').click();
  await page.getByRole('status').getByText('The rules look').waitFor();
  await visit(page, '/repositories');
  await button(page, 'Ask GitHub anew').click();
  await page.getByRole('status').getByText('GitHub is asked').waitFor();
}

// One dead letter is tried again and done, the other is given up for good.
async function jobs(page) {
  await visit(page, '/jobs?state=dead');
  assert.equal(await page.locator('tbody tr').count(), 2);
  await page.getByRole('button', { name: /^Retry/ }).first().click();
  await page.getByRole('status').getByText('tried again').waitFor();
  await visit(page, '/jobs?state=dead');
  await page.locator('tbody tr').nth(1).waitFor({ state: 'detached' });
  // What is open belongs to its row, also when another comes to stand above it.
  const meant = await page.locator('tbody a').first().getAttribute('href');
  await page.getByText('Discard…').click();
  await heading(page, 'Jobs').click();
  await act('another job is given up');
  await page.locator('tbody tr').nth(1).waitFor();
  const open = page.locator('tbody tr').filter({ has: page.locator('details[open]') });
  assert.equal(await open.count(), 1);
  assert.equal(await open.locator('a').first().getAttribute('href'), meant);
  await page.locator('tbody tr').first().getByRole('button', { name: /^Retry/ }).click();
  await page.getByRole('status').getByText('tried again').waitFor();
  await visit(page, '/jobs?state=dead');
  await page.locator('tbody tr').nth(1).waitFor({ state: 'detached' });
  await page.locator('tbody a').first().click();
  await page.waitForURL(/jobs\/[0-9a-f-]{36}$/);
  await page.getByText('Discard…').click();
  await button(page, 'Never try it again').click();
  await page.getByRole('status').getByText('given up for good').waitFor();
  await visit(page, '/jobs?state=dead');
  await page.getByText('No dead letters.').waitFor();
}

async function rollback(page) {
  await visit(page, '/rules/docs-label');
  await page.getByRole('link', { name: 'Take back what it did' }).click();
  await button(page, 'Plan it').click();
  await page.waitForURL(/rollbacks\/[0-9a-f-]{36}/);
  const confirm = page.getByRole('button', { name: /^Take back \d+ effects?$/ });
  await confirm.waitFor();
  assert.deepEqual(await isWell(page, 'rollback-planned'), []);
  await confirm.click();
  await heading(page, 'It is done').waitFor();
  assert.deepEqual(await isWell(page, 'rollback-done'), []);
  assert.equal(await act('the labels of the rollback'), 'true', 'the label is gone from GitHub');
}

// Edit, check, backtest, save; then a held one is confirmed.
async function config(page) {
  await visit(page, '/config/edit');
  const text = page.getByLabel('The config as YAML');
  const before = await text.inputValue();
  await text.fill(before.replace('issues.opened', 'issues.opend'));
  await button(page, 'Check').click();
  await heading(page, 'The text has errors').waitFor();
  assert.deepEqual(await isWell(page, 'config-errors'), []);
  await text.fill(before.replace('add: [bug]', 'add: [bug, crash]'));
  await button(page, 'Check').click();
  await heading(page, 'The text is valid').waitFor();
  await button(page, 'Backtest').click();
  await heading(page, 'What would have been different').waitFor();
  assert.deepEqual(await isWell(page, 'config-tried'), []);
  await page.getByLabel(/What you changed and why/).fill('Crashes have a label of their own');
  await button(page, 'Save').click();
  await page.getByRole('status').first().waitFor();
  if (!(await act('the running rules')).includes('"crash"')) {
    // It would touch much: held until somebody says that it is meant.
    await page.getByText('Confirm it', { exact: true }).click();
    await page.getByRole('button', { name: /^Confirm revision/ }).click();
    await page.getByText('The config is confirmed and in use.').waitFor();
  }
  assert.ok((await act('the running rules')).includes('"crash"'));

  await act('somebody writes a rule that is about everything');
  await visit(page, '/config');
  await page.getByText('Confirm it', { exact: true }).click();
  assert.deepEqual(await isWell(page, 'config-held'), []);
  await page.getByRole('button', { name: /^Confirm revision/ }).click();
  await page.getByText('The config is confirmed and in use.').waitFor();

  await page.getByText(/^Roll back to/).first().click();
  await page.getByRole('button', { name: /^Roll back to/ }).first().click();
  await page.getByText('The earlier config is in use.').waitFor();
  await act('the config is broken');
  await visit(page, '/config');
  await heading(page, 'The config on disk is refused').waitFor();
  assert.deepEqual(await isWell(page, 'config-refused'), []);
}

async function rule(page) {
  await visit(page, '/rules/triage');
  const text = page.getByLabel('The rule as YAML');
  await text.fill((await text.inputValue()).replace('bug', 'kind/bug'));
  await button(page, 'Try it').click();
  await heading(page, 'What would have been different').waitFor();
  assert.ok((await page.locator('#trial tbody tr').count()) > 0, 'there is a difference');
  assert.deepEqual(await isWell(page, 'rule-tried'), []);
}

async function audit(page) {
  await visit(page, '/audit?kind=config_loaded');
  await visit(page, '/audit');
  await button(page, 'Verify the chain').click();
  await page.locator('.verdict.good').waitFor();
  assert.deepEqual(await isWell(page, 'audit-proof'), []);
  await visit(page, '/audit');
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'CSV' }).click()]);
  const rows = readFileSync(await download.path(), 'utf8').trim().split('\n');
  assert.ok(rows.length > 5, rows.slice(0, 3).join('\n'));
}

async function settings(page) {
  const other = await open();
  await visit(page, '/settings');
  assert.equal(await page.locator('tbody tr').count(), 2, 'both browsers');
  await page.getByRole('button', { name: /^End the session/ }).click();
  await page.getByRole('status').getByText('The session has ended.').waitFor();
  await other.page.goto(`${site}/`);
  assert.match(other.page.url(), /login/, 'the other one is signed out');
  await other.context.close();

  await visit(page, '/settings/keys/new');
  await page.getByLabel('Name').fill('nightly');
  await page.locator('input[value="events:read"]').check();
  await button(page, 'Make the key').click();
  await heading(page, 'Your new key').waitFor();
  const key = await page.locator('pre.secret').innerText();
  assert.deepEqual(await isWell(page, 'key-made'), []);
  const ask = () => page.request.get(`${site}/api/events`, { headers: { authorization: `Bearer ${key}`, cookie: '' } });
  assert.equal((await ask()).status(), 200);
  await page.getByRole('link', { name: 'To your keys' }).click();
  await page.getByText('Revoke…').click();
  await button(page, 'Revoke the key nightly').click();
  await page.getByRole('status').getByText('good for nothing').waitFor();
  assert.equal((await ask()).status(), 401);
}

async function deeds() {
  const { context, page } = await open({ acceptDownloads: true });
  for (const scene of [events, items, jobs, rollback, rule, audit, settings, config]) {
    try {
      await scene(page);
    } catch (error) {
      await page.screenshot({ path: join(shots, `failed-${scene.name}.png`), fullPage: true });
      throw error;
    }
  }
  await context.close();
}

// Everything is there without a script, and is done by keyboard.
async function plain() {
  const { context, page } = await open({ javaScriptEnabled: false });
  for (const path of paths) {
    await visit(page, path);
    assert.equal(await page.locator('h1').count(), 1, path);
    assert.ok((await page.locator('main').innerText()).length > 20, `${path} shows something`);
  }
  await visit(page, '/events');
  await page.keyboard.press('Tab');
  assert.equal(await page.locator(':focus').innerText(), 'To the content', 'the first stop leads past the navigation');
  await page.getByLabel('By').focus();
  await page.keyboard.type('alice');
  await page.keyboard.press('Enter');
  await page.waitForURL(/actor=alice/);

  // A dead letter, by Tab and Enter alone.
  await visit(page, '/jobs?state=dead');
  const before = await page.locator('tbody tr').count();
  for (let stop = 0; stop < 80; stop += 1) {
    await page.keyboard.press('Tab');
    const name = await page.locator(':focus').getAttribute('aria-label').catch(() => null);
    if (name?.startsWith('Retry')) break;
  }
  const ring = await page.locator(':focus').evaluate((each) => getComputedStyle(each).outlineStyle);
  assert.equal(ring, 'solid', 'what has the focus shows it');
  await page.keyboard.press('Enter');
  await page.getByRole('status').getByText('tried again').waitFor();
  for (let look = 0; look < 50; look += 1) {
    await visit(page, '/jobs?state=dead');
    if ((await page.locator('tbody tr').count()) < before) break;
  }
  assert.equal(await page.locator('tbody tr').count(), before - 1);

  // A rollback, without a script: its page asks again by itself.
  await visit(page, '/rollbacks/new?rule=docs-label');
  await button(page, 'Plan it').click();
  const confirm = page.getByRole('button', { name: /^Take back \d+ effects?$/ });
  await confirm.waitFor();
  await confirm.focus();
  await Promise.all([page.waitForURL(/done=executed/), page.keyboard.press('Enter')]);
  await heading(page, 'It is done').waitFor();
  await context.close();
}

// The page as it is now, in both schemes and sizes.
async function isWell(page, name) {
  const wrong = [];
  // A scheme changes nothing but colours, and a size nothing but places: together they are all seen.
  for (const [size, viewport, colorScheme] of [['desktop', DESKTOP, 'light'], ['phone', PHONE, 'dark']]) {
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme });
    const what = `${name} (${size}, ${colorScheme})`;
    wrong.push(...(await fits(page, what)), ...(await isAccessible(page, what)));
    await page.screenshot({ path: join(shots, `${name}-${size}-${colorScheme}.png`), fullPage: true });
  }
  await page.setViewportSize(DESKTOP);
  await page.emulateMedia({ colorScheme: 'light' });
  return wrong;
}

// The first run: the site's URL is the one that the terminal shows.
async function setup() {
  const { context, page } = await start();
  await page.goto(site);
  await heading(page, 'Set orchd up').waitFor();
  const wrong = await isWell(page, 'setup-begin');
  await button(page, 'Create the App on GitHub').click();
  const install = page.getByRole('link', { name: /Install the App/ });
  await install.waitFor();
  wrong.push(...(await isWell(page, 'setup-made')));
  await page.goto(await install.getAttribute('href'));
  await act('back to the page');
  await page.goto(new URL('/setup', site).href);
  await heading(page, 'All is well').waitFor();
  wrong.push(...(await isWell(page, 'setup-done')));
  assert.deepEqual(wrong, []);
  await context.close();
}

await { walk, deeds, plain, setup }[part]();
console.log('all of it was seen');
process.exit(0);
