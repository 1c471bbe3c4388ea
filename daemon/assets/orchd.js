// The live parts of orchd's pages. Every page is complete without it.
//
// data-live="URL" on an element: what is told there says that something changed; then the page is asked for again, and
// every element with data-part="NAME" takes the place of its namesake.
// data-stream="URL" on a <tbody>: rows arrive as HTML, newest first; a row with data-id takes the place of its namesake.
// data-fill="URL" on a <details>: what is inside is fetched when it is opened.

// Rows that a live list keeps, and milliseconds between two looks at a page.
const MOST_ROWS = 200;
const BETWEEN_LOOKS = 2000;

// Milliseconds until a stream that was refused is asked for again.
const COME_BACK = 5000;

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

// A reader that fell behind is dropped by the server; the browser comes back by itself, with the last id it saw. After an
// answer that is no stream (a proxy's while the daemon starts anew) it does not: then we do, and say what was seen last.
function listen(url, handlers, last = null) {
  const source = new EventSource(last ? after(url, last) : url);
  const leave = () => source.close();
  addEventListener('pagehide', leave);
  source.addEventListener('open', () => tell(true));
  source.addEventListener('error', () => {
    tell(false);
    if (source.readyState !== EventSource.CLOSED) return;
    removeEventListener('pagehide', leave);
    setTimeout(() => listen(url, handlers, last), COME_BACK);
  });
  for (const [name, handle] of Object.entries(handlers)) {
    source.addEventListener(name, (event) => {
      last = event.lastEventId || last;
      handle(event);
    });
  }
}

function after(url, last) {
  const there = new URL(url, location.href);
  there.searchParams.set('after', last);
  return there;
}

function parse(html) {
  return new DOMParser().parseFromString(html, 'text/html');
}

// What a person is about to use stays where it is.
function isBusy(element) {
  return element.contains(document.activeElement);
}

// What is open stays open, and only that: it is known by where it leads, never by its place.
function keyOf(details) {
  const row = details.closest('tr, li');
  const link = row?.querySelector('a[href]')?.getAttribute('href') ?? '';
  return `${link} ${details.querySelector('summary')?.textContent}`;
}

async function look() {
  const answer = await fetch(location.href, { headers: { accept: 'text/html' } });
  if (!answer.ok || answer.redirected) return;
  const fresh = parse(await answer.text());
  for (const part of document.querySelectorAll('[data-part]')) {
    const next = fresh.querySelector(`[data-part="${part.dataset.part}"]`);
    if (!next || isBusy(part)) continue;
    const open = new Map([...part.querySelectorAll('details')].map((each) => [keyOf(each), each.open]));
    localise(next);
    part.replaceWith(next);
    next.querySelectorAll('details').forEach((each) => { each.open = open.get(keyOf(each)) ?? each.open; });
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
  // What happened between drawing the page and listening is told to nobody: at each beginning there is a look.
  listen(element.dataset.live, { open: soon, changed: soon });
  document.addEventListener('visibilitychange', () => document.hidden || soon());
}

function stream(body) {
  const find = (id) => body.querySelector(`tr[data-id="${CSS.escape(id)}"]`);
  // Ids are in the order of arrival: a row stands before the first that is older.
  const isCut = new URL(body.dataset.stream, location.href).searchParams.has('status');
  const put = (data, isNews) => {
    const fresh = parse(`<table><tbody>${data}</tbody></table>`).querySelector('tr');
    if (!fresh) return;
    localise(fresh);
    const known = find(fresh.dataset.id);
    if (known) return known.replaceWith(fresh);
    const older = [...body.rows].find((row) => row.dataset.id < fresh.dataset.id) ?? null;
    // One that is older than what the page shows stands on a page of its own.
    if (!isNews && !isCut && !older) return;
    if (isNews) fresh.classList.add('new');
    body.insertBefore(fresh, older);
    document.querySelector('[data-when-empty]')?.remove();
    body.closest('table').hidden = false;
    while (body.rows.length > MOST_ROWS) body.lastElementChild.remove();
  };
  listen(body.dataset.stream, {
    state: ({ data }) => put(data, false),
    row: ({ data }) => put(data, true),
    gone: ({ data }) => find(data)?.remove(),
    skipped: () => {
      const table = body.closest('table');
      if (table.previousElementSibling?.matches('[data-skipped]')) return;
      const note = document.createElement('p');
      note.className = 'notice';
      note.dataset.skipped = '';
      note.textContent = 'More arrives than is shown here: narrow the filters, or reload the page to see all of it.';
      table.before(note);
    },
    // Not at once: where so much arrives, it may be so again.
    behind: () => setTimeout(() => location.reload(), BETWEEN_LOOKS),
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

// A form whose answer takes a while says so.
function tellBusy(form) {
  form.addEventListener('submit', () => {
    const told = document.createElement('p');
    told.className = 'quiet';
    told.setAttribute('role', 'status');
    told.textContent = form.dataset.busy;
    form.append(told, document.createElement('progress'));
  });
}

localise(document);
document.querySelectorAll('[data-busy]').forEach(tellBusy);
document.querySelectorAll('[data-live]').forEach(watch);
document.querySelectorAll('[data-stream]').forEach(stream);
document.querySelectorAll('[data-fill]').forEach(fill);
