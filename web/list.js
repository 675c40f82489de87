// The list, as it changes. Rows come from the server, in the one template that there is.

import { clock } from './times.js';

const list = document.getElementById('recordings');
const search = document.getElementById('search');
const count = document.getElementById('count');

/** The page that an address has. */
async function fetchPage(address) {
  const response = await fetch(address, { headers: { accept: 'text/html' } });
  if (!response.ok) throw new Error(String(response.status));
  return new DOMParser().parseFromString(await response.text(), 'text/html');
}

const rowsOf = (page) => [...page.querySelectorAll('#recordings > li')];
const rowOf = (name) => list.querySelector(`li[data-name="${CSS.escape(name)}"]`);
const address = () => {
  const words = search.q.value.trim();
  return words ? `/?q=${encodeURIComponent(words)}` : '/';
};

function takeRest(page) {
  count.textContent = page.getElementById('count').textContent;
  const link = page.getElementById('more');
  document.getElementById('more')?.parentElement.remove();
  if (link) list.after(link.parentElement);
}

/** Shows what the search finds, from the beginning. */
async function refresh() {
  const wanted = address();
  const page = await fetchPage(wanted);
  if (wanted !== address()) return; // typed on meanwhile
  list.replaceChildren(...rowsOf(page));
  takeRest(page);
  history.replaceState(null, '', wanted);
}

/** Puts new rows on top, and leaves alone what was loaded further down. */
async function addNew() {
  const page = await fetchPage(address());
  const isNew = (row) => !rowOf(row.dataset.name);
  list.prepend(...rowsOf(page).filter(isNew));
  count.textContent = page.getElementById('count').textContent;
}

async function showMore(event) {
  const link = event.target.closest('#more');
  if (!link) return;
  event.preventDefault();
  const page = await fetchPage(link.href);
  const rows = rowsOf(page).filter((row) => !rowOf(row.dataset.name));
  list.append(...rows);
  takeRest(page);
  rows[0]?.querySelector('a')?.focus();
}

function later(action, wait) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(() => action().catch(() => {}), wait);
  };
}

const refreshSoon = later(refresh, 250);
const addSoon = later(addNew, 250);

function take({ recordings = [], unusable = [], gone = [] }) {
  for (const { name, state, duration } of recordings) {
    const row = rowOf(name);
    if (row?.querySelector('.length')) {
      row.dataset.state = state;
      row.querySelector('.length').textContent = clock(duration);
    } else {
      row?.remove();
      addSoon();
    }
  }
  for (const { name } of unusable) {
    rowOf(name)?.remove();
    addSoon();
  }
  for (const name of gone) rowOf(name)?.remove();
  if (gone.length) addSoon();
}

/** Listens while the page is seen. Whatever it missed meanwhile it fetches. */
function listen() {
  let source = null;
  let isFirst = true;
  const start = () => {
    source?.close();
    source = null;
    if (document.hidden) return;
    source = new EventSource('/events');
    source.addEventListener('changes', (event) => take(JSON.parse(event.data)));
    source.addEventListener('reload', refreshSoon);
    source.addEventListener('open', () => {
      if (!isFirst) refreshSoon();
      isFirst = false;
    });
  };
  document.addEventListener('visibilitychange', start);
  addEventListener('pageshow', start);
  // Where events do not come through, and once the browser has given up on them.
  setInterval(() => {
    if (document.hidden || source?.readyState === EventSource.OPEN) return;
    addSoon();
    if (source?.readyState === EventSource.CLOSED) start();
  }, 5000);
}

if (list) {
  search.addEventListener('input', refreshSoon);
  search.addEventListener('submit', (event) => {
    event.preventDefault();
    refreshSoon();
  });
  document.addEventListener('click', (event) => showMore(event).catch(() => location.reload()));
  listen();
}
