// What the steps measured, as lines that grow.

import { chart, smoothed } from './chart.js';
import { fill, h } from './dom.js';
import { number, percent, short, t } from './i18n.js';

const FIELDS = [
  'step', 'reward_mean', 'exact_rate', 'mean_absolute_count_error', 'entropy', 'kl', 'loss',
  'rollout_seconds', 'reward_seconds', 'learning_seconds', 'step_seconds',
];
const DETAILS = [
  'loss', 'reward_std', 'parse_failure_rate', 'zero_variance_group_rate', 'clip_low_rate', 'clip_high_rate',
  'gradient_norm', 'learning_rate', 'completion_length_mean', 'log_probability_gap', 'samples_per_second', 'epoch',
];

/** Columns of a job's steps; a step that is done again replaces what came after it. */
export class Curve {
  constructor(steps) {
    for (const field of FIELDS) this[field] = steps.map((step) => step[field] ?? null);
    this.latest = steps.at(-1);
  }

  add(step) {
    let keep = this.step.length;
    while (keep && this.step[keep - 1] >= step.step) keep -= 1;
    for (const field of FIELDS) {
      this[field].length = keep;
      this[field].push(step[field] ?? null);
    }
    this.latest = step;
  }
}

export function curves(curve, place) {
  const one = (field, colour) => [
    { label: t('curve.raw'), colour, faint: true, of: (c, smooth) => (smooth ? c[field] : c[field].map(() => null)) },
    { label: t(`curve.${field}`), colour, of: (c, smooth) => (smooth ? smoothed(c[field], Math.max(2, c[field].length / 25)) : c[field]) },
  ];
  const single = (field, show, colour = '--accent') => [t(`curve.${field}`), one(field, colour), show];
  const stages = [['rollout_seconds', '--blue'], ['reward_seconds', '--amber'], ['learning_seconds', '--violet'], ['step_seconds', '--ink']];
  const cards = [
    single('reward_mean', (v) => number(v, 2)), single('exact_rate', (v) => percent(v)),
    single('mean_absolute_count_error', (v) => number(v, 2)), single('entropy', short, '--blue'), single('kl', short, '--violet'),
    [t('curve.stages'), stages.map(([field, colour]) => ({ label: t(`curve.${field}`), colour, of: (c) => c[field] })), (v) => short(v)],
  ].map(([title, lines, show]) => {
    const made = chart({ title, lines, show, signal: place.signal });
    if (lines[0].faint) made.card.querySelector('.legend').remove();
    return made;
  });
  const details = h('dl.details');
  const smooth = h('input', { type: 'checkbox', checked: place.query.get('smooth') === '1', onchange: () => { place.keep({ smooth: smooth.checked ? 1 : null }); update(); } });
  const hint = h('p.muted', t('curve.waiting'));
  const update = () => {
    hint.hidden = curve.step.length > 0;
    for (const { set } of cards) set(curve, smooth.checked);
    fill(details, DETAILS.map((name) => h('div', h('dt', t(`curve.${name}`)), h('dd', short(curve.latest?.[name])))));
  };
  const view = h('div.curves', h('div.bar-line', hint, h('label.check', smooth, t('curve.smooth'))),
    h('div.charts', cards.map(({ card }) => card)),
    h('section.latest', h('h2', t('curve.latest')), details));
  update();
  return { view, update };
}

export function open(host, { place, metrics, heard }) {
  const curve = new Curve(metrics.steps);
  const { view, update } = curves(curve, place);
  fill(host, view);
  heard.push((kind, data) => {
    if (kind !== 'step') return;
    curve.add(data);
    update();
  });
}
