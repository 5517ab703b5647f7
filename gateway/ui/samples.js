// What the model said in the latest steps: each picture with its answers, counts and rewards.

import { find } from './api.js';
import { fill, h } from './dom.js';
import { number, t } from './i18n.js';
import { answer, picture } from './parts.js';

export async function open(host, { job, place, heard }) {
  const found = await find(`jobs/${job.job_id}/samples?steps=100`, place.signal);
  if (!found) return fill(host, h('p.muted', t('unavailable')));
  const steps = found.steps.filter((one) => one.groups.length);
  const groups = h('div.groups');
  const choice = h('select', { 'aria-label': t('sample.step'), onchange: () => { place.keep({ step: choice.selectedIndex ? choice.value : null }); draw(); } });
  const draw = () => {
    const wanted = Number(place.query.get('step'));
    const shown = steps.find((one) => one.step === wanted) ?? steps[0];
    fill(choice, steps.map((one, i) => h('option', { value: one.step, selected: one === shown }, t(i ? 'sample.of' : 'sample.latest', { step: one.step }))));
    fill(groups, shown ? shown.groups.map((group) => card(found.file_id, group)) : h('p.muted', t('sample.none')));
  };
  fill(host, h('div.bar-line', h('p.muted', t('sample.help')), choice), groups);
  draw();
  heard.push((kind, data) => {
    if (kind !== 'samples' || !data.groups.length) return;
    steps.unshift(data);
    if (document.activeElement !== choice) draw();
  });
}

const card = (fileId, group) =>
  h('section.group', picture(fileId, group.row, t('picture', { row: number(group.row) })),
    h('div', h('h3', group.question), h('p.muted', t('truth', { count: number(group.true_count) })),
      h('ol.answers', group.answers.map((one) => answer(one, group.true_count)))));
