// The status page. Nothing is stored: the token lives in one variable and goes out in a header, never in a URL.
'use strict';

const EVERY_MS = 5000;
const SHOWN = 50;
let token = '';

const $ = (id) => document.getElementById(id);

function put(id, text) {
  $(id).textContent = text;
}

function duration(seconds) {
  const units = [['d', 86400], ['h', 3600], ['min', 60], ['s', 1]];
  const at = units.findIndex(([, size]) => seconds >= size);
  if (at < 0) return '0 s';
  const [name, size] = units[at];
  const next = units[at + 1];
  const rest = next ? Math.floor((seconds % size) / next[1]) : 0;
  return `${Math.floor(seconds / size)} ${name}` + (rest ? ` ${rest} ${next[0]}` : '');
}

async function ask(path, bearer) {
  const headers = bearer ? { Authorization: `Bearer ${bearer}` } : {};
  const answer = await fetch(path, { headers, cache: 'no-store', credentials: 'omit', redirect: 'error', signal: AbortSignal.timeout(8000) });
  const body = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(body.error?.message ?? `The server answered ${answer.status}.`), { status: answer.status });
  return body;
}

function showOverall(state, text) {
  $('overall').dataset.state = state;
  put('overall', text);
}

async function refreshHealth() {
  let health;
  try {
    health = await ask('/api/v1/health');
  } catch {
    showOverall('bad', 'no answer');
    for (const row of $('roles').children) {
      row.dataset.state = '';
      row.querySelector('em').textContent = '–';
    }
    return;
  }
  const well = health.status === 'ok';
  showOverall(well ? 'ok' : 'bad', well ? 'all well' : 'something is down');
  put('version', health.version);
  put('uptime', duration(health.uptime));
  for (const row of $('roles').children) {
    const state = health.roles[row.dataset.role] ?? 'down';
    row.dataset.state = state;
    row.querySelector('em').textContent = state;
  }
}

function cell(text, state) {
  const td = document.createElement('td');
  td.textContent = text;
  if (state) td.dataset.state = state;
  return td;
}

function showBuilds(status, page) {
  put('n-total', status.builds.total);
  put('n-active', status.builds.active);
  put('key-source', status.key_source ?? 'keeper is down');
  const rows = page.builds.map((b) => {
    const tr = document.createElement('tr');
    tr.append(cell(b.id), cell(b.state, b.state), cell(b.framework), cell(new Date(b.expires).toLocaleString()));
    return tr;
  });
  $('rows').replaceChildren(...rows);
  const hidden = status.builds.total - page.builds.length;
  $('more').hidden = hidden <= 0;
  put('more', hidden > 0 ? `and ${hidden} more: valetkey build list shows all` : '');
}

async function refreshBuilds() {
  if (!token) return;
  const [status, page] = await Promise.all([ask('/api/v1/status', token), ask(`/api/v1/builds?limit=${SHOWN}`, token)]);
  showBuilds(status, page);
}

function forget() {
  token = '';
  $('open').hidden = true;
  $('unlock').hidden = false;
  $('rows').replaceChildren();
}

function problem(text) {
  $('problem').hidden = !text;
  put('problem', text);
}

$('unlock').addEventListener('submit', async (event) => {
  event.preventDefault();
  token = $('token').value.trim();
  $('token').value = '';
  problem('');
  try {
    await refreshBuilds();
    $('unlock').hidden = true;
    $('open').hidden = false;
  } catch (error) {
    forget();
    problem(error.message);
    $('token').focus();
  }
});
$('forget').addEventListener('click', forget);

for (const pre of document.querySelectorAll('pre')) {
  if (!navigator.clipboard) break;
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'copy';
  button.textContent = 'Copy';
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(pre.querySelector('code').textContent);
    button.textContent = 'Copied';
    setTimeout(() => { button.textContent = 'Copy'; }, 1500);
  });
  pre.append(button);
}

async function turn() {
  if (!document.hidden) {
    await refreshHealth();
    try {
      await refreshBuilds();
    } catch (error) {
      if (error.status === 401 || error.status === 403) {
        forget();
        problem(error.message);
      }
    }
  }
  setTimeout(turn, EVERY_MS);
}
turn();
