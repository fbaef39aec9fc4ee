
'use strict';
for (const sheet of document.querySelectorAll('.sheet')) {
  const body = sheet.querySelector('tbody');
  const rows = [...body.rows];
  // A row or two are seen at a glance.
  if (rows.length < 3) continue;
  const key = (row, at) => {
    const cell = row.cells[at];
    return cell.dataset.sort ?? cell.textContent;
  };
  const heads = [...sheet.querySelectorAll('th')];
  heads.forEach((head, at) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.title = 'Sorteren';
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener('click', () => {
      const down = head.ariaSort === 'ascending';
      heads.forEach((other) => other.removeAttribute('aria-sort'));
      head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      const order = (one, other) => key(one, at).localeCompare(key(other, at), 'nl', { numeric: true });
      body.append(...rows.sort((one, other) => (down ? order(other, one) : order(one, other))));
    });
  });
  const bar = document.createElement('div');
  bar.className = 'filter';
  const label = document.createElement('label');
  const input = document.createElement('input');
  input.type = 'search';
  label.append('Filter ', input);
  const shown = document.createElement('output');
  const count = () => {
    const left = rows.filter((row) => !row.hidden).length;
    shown.textContent = left === rows.length ? `${rows.length} rijen` : `${left} van ${rows.length} rijen`;
  };
  input.addEventListener('input', () => {
    const words = input.value.toLowerCase().split(/\s+/);
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
    count();
  });
  count();
  bar.append(label, shown);
  sheet.before(bar);
}
