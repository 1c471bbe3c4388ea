// The live parts of orchd's pages. Every page is complete without it.
//
// data-live="URL" on an element: what is told there says that something changed; then the page is asked for again, and
// every element with data-part="NAME" takes the place of its namesake.
// data-stream="URL" on a <tbody>: rows arrive as HTML, newest first; a row with data-id takes the place of its namesake.
// data-fill="URL" on a <details>: what is inside is fetched when it is opened.

// Rows that a live list keeps, and milliseconds between two looks at a page.
const MOST_ROWS = 200;
const BETWEEN_LOOKS = 2000;

const day = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'long' });

function localise(root) {
  const today = new Date().toDateString();
  for (const time of root.querySelectorAll('time[datetime]:not([data-local])')) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.valueOf())) continue;
    time.title = `${exact.format(at)} (${time.title})`;
    time.textContent = at.toDateString() === today ? clock.format(at) : day.format(at);
    time.dataset.local = '';
  }
}

function tell(on) {
  for (const sign of document.querySelectorAll('.live')) {
    sign.classList.toggle('on', on);
    sign.textContent = on ? 'live' : 'not live: reconnecting';
  }
}

// A reader that fell behind is dropped by the server; the browser comes back by itself, with the last id it saw.
function listen(url, handlers) {
  const source = new EventSource(url);
  source.addEventListener('open', () => tell(true));
  source.addEventListener('error', () => tell(false));
  for (const [name, handle] of Object.entries(handlers)) source.addEventListener(name, handle);
  addEventListener('pagehide', () => source.close());
  return source;
}

function parse(html) {
  return new DOMParser().parseFromString(html, 'text/html');
}

function isBusy(element) {
  return element.contains(document.activeElement) && document.activeElement.matches('input, select, textarea, button');
}

async function look() {
  const answer = await fetch(location.href, { headers: { accept: 'text/html' } });
  if (!answer.ok || answer.redirected) return;
  const fresh = parse(await answer.text());
  for (const part of document.querySelectorAll('[data-part]')) {
    const next = fresh.querySelector(`[data-part="${part.dataset.part}"]`);
    if (!next || isBusy(part)) continue;
    const open = [...part.querySelectorAll('details')].map((each) => each.open);
    localise(next);
    part.replaceWith(next);
    [...next.querySelectorAll('details')].forEach((each, at) => { each.open = open[at] ?? each.open; });
  }
}

function watch(element) {
  let waiting = null;
  const soon = () => {
    waiting ??= setTimeout(async () => {
      if (!document.hidden) await look().catch(() => {});
      waiting = null;
    }, BETWEEN_LOOKS);
  };
  listen(element.dataset.live, { changed: soon });
  document.addEventListener('visibilitychange', () => document.hidden || soon());
}

function stream(body) {
  const renew = (data) => {
    const fresh = parse(`<table><tbody>${data}</tbody></table>`).querySelector('tr');
    if (!fresh) return null;
    localise(fresh);
    const known = body.querySelector(`tr[data-id="${CSS.escape(fresh.dataset.id)}"]`);
    if (!known) return fresh;
    known.replaceWith(fresh);
    return null;
  };
  listen(body.dataset.stream, {
    state: ({ data }) => renew(data),
    row: ({ data }) => {
      const fresh = renew(data);
      if (!fresh) return;
      fresh.classList.add('new');
      body.prepend(fresh);
      document.querySelector('[data-when-empty]')?.remove();
      body.closest('table').hidden = false;
      while (body.rows.length > MOST_ROWS) body.lastElementChild.remove();
    },
    skipped: () => {
      const table = body.closest('table');
      if (table.previousElementSibling?.matches('[data-skipped]')) return;
      const note = document.createElement('p');
      note.className = 'notice';
      note.dataset.skipped = '';
      note.textContent = 'More arrives than is shown here: narrow the filters, or reload the page to see all of it.';
      table.before(note);
    },
    behind: () => location.reload(),
  });
}

function fill(details) {
  details.addEventListener('toggle', async () => {
    const place = details.querySelector('[data-filled]');
    if (!details.open || !place || place.dataset.filled === 'yes') return;
    const answer = await fetch(details.dataset.fill, { headers: { accept: 'text/html' } });
    const content = parse(await answer.text()).querySelector('[data-content]');
    if (!content) return;
    place.replaceChildren(...content.childNodes);
    place.dataset.filled = 'yes';
  });
}

localise(document);
document.querySelectorAll('[data-live]').forEach(watch);
document.querySelectorAll('[data-stream]').forEach(stream);
document.querySelectorAll('[data-fill]').forEach(fill);
