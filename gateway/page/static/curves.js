// What the steps measured, live.

import { chart } from './chart.js';
import { byName, fill, h, measured, named, percent, say, short, t } from './parts.js';

const LINES = { reward_mean: [measured], exact_rate: [percent], median_absolute_count_error: [measured], far_off_rate: [percent], entropy: [short, '--blue'], kl: [short, '--violet'] };
const STAGES = { rollout_seconds: '--blue', reward_seconds: '--amber', learning_seconds: '--violet', step_seconds: '--ink' };
const [REWARDS, SHARES] = ['reward_mean_by_component', 'reward_share_by_component'];
const DRAWN = [...Object.keys({ ...LINES, ...STAGES }), REWARDS];

export function open(host, { metrics: { steps, evaluations }, request, listeners, query, keep }) {
	// Without a weight there is no reference to measure from.
	const lines = Object.entries(LINES).filter(([field]) => field !== 'kl' || !request || request.training_config.beta > 0);
	const single = ([field, [write, colour = '--accent']]) => {
		const of = (one) => one[field];
		return chart(t(`curve.${field}`), [{ colour, of, faint: true, isRough: true }, { colour, of, isSmooth: true }], write);
	};
	const stages = Object.entries(STAGES).map(([field, colour]) => ({ label: t(`curve.${field}`), colour, of: (one) => one[field] }));
	const rewards = (request?.rewards ?? []).map(({ name }, i) => ({ label: name, colour: Object.values(STAGES)[i % 4], of: (one) => one[REWARDS]?.[name] }));
	const charts = [...lines.map(single), ...(rewards[1] ? [chart(t(`curve.${REWARDS}`), rewards, measured)] : []), chart(t('curves.stages'), stages, short)];
	const heldOut = request?.training_config.evaluation_steps > 0 && scoredSteps(evaluations, listeners);
	const others = named('curve.').filter((field) => !DRAWN.includes(field)).map((field) => [field, h('dd')]);
	const smooth = h('input', { type: 'checkbox', checked: query.has('smooth'), onchange: () => update(keep({ smooth: smooth.checked || null })) });
	let frame;
	const update = () => {
		// At most once a frame.
		frame ??= requestAnimationFrame(() => {
			frame = null;
			const latest = steps.at(-1) ?? {};
			for (const { set } of charts) set(steps, smooth.checked);
			for (const [field, value] of others) say(value, field === SHARES ? byName(latest[field] ?? {}, measured) : short(latest[field]));
		});
	};
	fill(host, h('label.tick', smooth, t('curves.smooth')), h('div.charts', heldOut, charts.map(({ card }) => card)),
		h('section.panel', h('h2', t('curves.latest')), h('dl.details', others.map(([field, value]) => h('div', h('dt', t(`curve.${field}`)), value)))));
	update();
	listeners.push((kind, data) => {
		if (kind !== 'step') return;
		// A step that is done again replaces itself and what came after it.
		steps.splice(steps.findLastIndex((one) => one.step < data.step) + 1, Infinity, data);
		update();
	});
}

function scoredSteps(known, listeners) {
	const scored = new Map(known.map((one) => [one.step, one]));
	const line = (key, of, more) => ({ label: t(`curves.${key}`), colour: '--accent', of, ...more });
	const end = (key, i) => line(key, ({ intervals }) => intervals.exact_rate[i], { faint: true });
	const { card, set } = chart(t('curves.heldOut'), [end('low', 0), end('high', 1), line('at', (one) => one.exact_rate, { dots: true })], percent);
	const draw = () => set([...scored.values()].sort((a, b) => a.step - b.step));
	draw();
	listeners.push((kind, data) => kind === 'held_out' && draw(scored.set(data.step, data)));
	return card;
}
