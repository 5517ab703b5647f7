// What several pages are built of.

import { showImage } from './api.js';
import { h } from './dom.js';
import { number, signed, t } from './i18n.js';

export const status = (job) =>
  h('span.status', { 'data-status': job.status }, t(job.phase && job.status === 'training' ? `phase.${job.phase}` : `status.${job.status}`));

/** A bar of `share` in [0, 1] that screen readers can tell. */
export function progressBar(label) {
  const inner = h('span');
  const bar = h('div.progress', { role: 'progressbar', 'aria-label': label, 'aria-valuemin': 0, 'aria-valuemax': 100 }, inner);
  const set = (share) => {
    inner.style.transform = `scaleX(${Math.min(1, share)})`;
    bar.setAttribute('aria-valuenow', String(Math.round(share * 100)));
  };
  set(0);
  return { bar, set };
}

/** The picture of a row; its box has its size before the picture is there. */
export function picture(fileId, row, alt, side = 320) {
  const image = h('img', { alt, loading: 'lazy', decoding: 'async', width: side, height: side });
  image.onerror = () => image.closest('.picture')?.classList.add('broken');
  showImage(image, `files/${fileId}/images/${row}?max_side=${side}`).catch(() => image.onerror());
  return h('div.picture', image);
}

/** A place to drop a file on, to choose one, or to press Enter on. */
export function dropZone({ title, hint, accept, id, onfile }) {
  const input = h('input', { type: 'file', accept, id, onchange: () => input.files[0] && onfile(input.files[0]) });
  const zone = h('label.drop', { htmlFor: id }, input, h('strong', title), h('span', hint));
  const over = (state) => (event) => {
    event.preventDefault();
    zone.classList.toggle('over', state);
  };
  zone.addEventListener('dragover', over(true));
  zone.addEventListener('dragleave', over(false));
  zone.addEventListener('drop', (event) => {
    over(false)(event);
    if (event.dataTransfer.files[0]) onfile(event.dataTransfer.files[0]);
  });
  return zone;
}

/** What is wrong, each with its place; the sentence alone where there is one fault. */
export function problems(error) {
  const list = error.errors?.length > 1 ? h('ul', error.errors.map((e) => h('li', h('b', e.where), ' ', e.message))) : null;
  return h('div.callout.bad', { role: 'alert' }, h('p', list ? t('problems', { n: error.errors.length }) : error.message), list);
}

export const figure = (label, value, hint) => h('div.figure', h('dt', label), h('dd', value, hint && h('small', hint)));

export const back = (href, text) => h('a.back', { href }, '← ', text);

/** An answer with its count, how far off that is, and its reward: in words and marks, not by colour alone. */
export function answer(one, truth, who) {
  const off = one.count === null ? null : one.count - truth;
  const kind = off === null ? 'none' : off ? 'off' : 'right';
  return h('li.answer', { 'data-kind': kind }, who && h('small', who),
    h('b', off === null ? '?' : number(one.count)), h('span.mark', off === null ? t('noCount') : off ? signed(off, 0) : '✓'),
    h('q', one.text), h('small.muted', { title: t('reward') }, number(one.reward, 2)));
}
