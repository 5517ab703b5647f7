// Data: drop a ZIP, or go on with one that is here.

import { get, upload } from './api.js';
import { fill, h, say } from './dom.js';
import { bytes, number, percent, t, when } from './i18n.js';
import { dropZone, problems, progressBar } from './parts.js';

export const title = 'nav.data';

export async function show(main, place) {
  const outcome = h('div', { 'aria-live': 'polite' });
  const files = h('div', h('p.muted', t('loading')));
  const zone = dropZone({
    id: 'zip', title: t('home.drop'), hint: t('home.dropHint'), accept: '.zip,application/zip',
    onfile: (file) => take(file, outcome, place),
  });
  fill(
    main,
    h('section.hero', h('h1', t('home.title')), h('p.lead', t('home.lead'))),
    zone, outcome, format(),
    h('section', h('h2', t('home.files')), files),
  );
  const list = await get('files', place.signal);
  fill(files, list.length ? table(list) : h('p.muted', t('home.none')));
}

async function take(file, outcome, place) {
  const text = h('p');
  const { bar, set } = progressBar(t('home.sending'));
  fill(outcome, h('div.callout', text, bar));
  const progress = (share) => {
    set(share);
    say(text, share < 1 ? t('home.sent', { name: file.name, size: bytes(file.size), share: percent(share) }) : t('home.checking', { name: file.name }));
  };
  progress(0);
  const form = new FormData();
  form.append('file', file);
  try {
    const answer = await upload('upload-data', form, progress, place.signal);
    location.hash = `#/data/${answer.file_id}`;
  } catch (error) {
    if (error.name !== 'AbortError') fill(outcome, problems(error));
  }
}

const format = () =>
  h('details.format', h('summary', t('home.format')), h('p', t('home.formatText')),
    h('pre', { tabIndex: 0 }, 'training_data.zip\n├── main.csv\n└── images/\n\nimages_path,question,answer\napple1.jpg,How many apples are in this image?,A photo of 3 apples'));

const table = (list) =>
  h('ul.rows', list.map((file) =>
    h('li', h('a.row.file', { href: `#/data/${file.file_id}` },
      h('strong', file.filename),
      h('span', t('rows', { n: file.csv_rows })), h('span', t('images', { n: file.valid_images })),
      h('span.muted', file.warnings.length ? t('warnings', { n: file.warnings.length }) : ''),
      h('time.muted', when(file.upload_time))))));
