// A question to the base model and to adapters: about a picture, or about every picture of a ZIP.

import {
	adapterOptions, busy, button, complain, deleteButton, dropZone, explained, fill, get, h, jobsWith, keepFresh, live, measured, muted, option, pictureBox,
	problems, read, save, say, section, select, send, sendFile, status, t, upload, when,
} from './parts.js';

const PERIOD = 2000;

export async function show(main, place) {
	const view = h('div.view');
	const jobs = await jobsWith(place.query.get('adapter'));
	fill(main, h('h1', t('ask.title')), muted(t('ask.lead')), view);
	await open(view, { ...place, adapters: [option('', t('ask.base')), ...adapterOptions(jobs)] });
}

/** Of all adapters, or as a view of a job, of its own. */
export async function open(host, { job, adapters, query, keep }) {
	const kept = (name, value = '') => ({ name, value: query.get(name) ?? value, onchange: ({ target }) => keep({ [name]: target.value }) });
	const own = job && (job.checkpoints[0] ? adapterOptions([job]) : [option(job.job_id, job.job_name)]);
	const preview = h('img', { alt: t('ask.preview') });
	// Where a picture will come its place is kept.
	const frame = pictureBox(preview, t('ask.preview'), () => preview.src, { hidden: !query.has('file') });
	const [chosen, outcome, list] = [muted(), h('div.sides', { ariaLive: 'polite' }), h('ul.rows')];
	const question = h('input', { ...kept('question', t('ask.example')), required: true, maxLength: 500 });
	const adapter = select(kept('adapter', job?.job_id), own ?? adapters);
	const bound = h('input', { ...kept('bound', '0'), type: 'number', required: true, min: 0, max: 1, step: 'any' });
	const ask = h('button.button.main', { disabled: true }, t('ask.do'));
	let file;
	const take = (taken) => {
		file = taken;
		URL.revokeObjectURL(preview.src);
		frame.hidden = isZip();
		if (!isZip()) preview.src = URL.createObjectURL(file);
		say(chosen, isZip() ? file.name : '');
		ask.disabled = false;
		fill(outcome);
	};
	const isZip = () => /\.zip$/i.test(file.name);
	const askOne = async (fields) => {
		fill(outcome, h('p', t('ask.running')));
		const said = await upload('predict', { ...fields, image: file });
		fill(outcome, ['base', 'adapter'].map((name) => said[name] && side(name, said[name])));
	};
	const askAll = async (fields) => {
		await sendFile(outcome, 'predictions', { ...fields, abstain_below: bound.value, file });
		fill(outcome);
		await refresh();
	};
	const onsubmit = (event) => {
		event.preventDefault();
		const [job_id, checkpoint] = adapter.value.split(':');
		const fields = { question: question.value, job_id, checkpoint };
		busy(ask, () => (isZip() ? askAll : askOne)(fields), (error) => fill(outcome, problems(error)));
	};
	const none = h('li.muted', t('ask.none'));
	const rows = live('prediction_id', (one) => batch(one, refresh));
	const refresh = async () => {
		const batches = await get(`predictions${job ? `?job_id=${job.job_id}` : ''}`);
		fill(list, batches[0] ? rows(batches) : none);
	};
	const zone = dropZone('ask.drop', 'image/*,.zip', (dropped) => take(dropped, keep({ file: null, row: null })));
	fill(host, h('form.halves', { onsubmit }, h('div.stack', zone, chosen, frame),
		h('div.stack', explained('ask.question', question), explained('ask.adapter', adapter), explained('ask.bound', bound), ask, outcome)), section('ask.earlier', list));
	const [id, row] = [query.get('file'), query.get('row')];
	if (id) take(new File([await (await read(`files/${id}/images/${row}`)).blob()], row));
	await refresh();
	keepFresh(PERIOD, refresh);
}

const side = (name, { count, text, explanation }) =>
	h('section.panel', { 'data-side': name }, h('h2', t(name)), h('strong', count === null ? t('noCount') : measured(count, 0)), h('blockquote', text), explanation && muted(explanation));

function batch({ prediction_id: id, name, question, created_at: time }, refresh) {
	const path = `predictions/${id}`;
	const [state, bar, about, actions] = [status(), h('progress', { ariaLabel: name }), h('small'), h('div.actions')];
	const cancel = button('job.cancel', () => send(path, { method: 'DELETE' }).then(refresh, complain));
	const download = button('compare.csv', () => save(`${path}/answers.csv`, `${name}.csv`).catch(complain));
	const remove = deleteButton('ask.delete', () => `${path}?purge=true`, refresh, { name });
	const update = ({ status: now, phase, progress, error_message: fault }) => {
		state.set({ status: now, phase: /queued|loading|waiting/.test(phase) && phase });
		bar.value = progress / 100;
		say(about, fault ?? question);
		fill(actions, now === 'completed' && download, now === 'running' ? cancel : remove);
	};
	return { node: h('li.row.job', h('div', h('strong', name), h('p', about)), state.node, bar, actions, h('small', when(time))), update };
}
