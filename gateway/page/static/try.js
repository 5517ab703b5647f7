// Try it: an image and a question, the base model and the adapter side by side.

import { read, upload } from './api.js';
import { dropZone, field, fill, h, measured, muted, pictureBox, problems, t } from './parts.js';

export async function open(host, { job, query, keep }) {
	const preview = h('img', { alt: t('try.preview') });
	// Where a picture will come its place is kept.
	const frame = pictureBox(preview, t('try.preview'), () => preview.src, { hidden: !query.has('file') });
	const answers = h('div.sides', { ariaLive: 'polite' });
	const question = h('input', { required: true, maxLength: 500, value: query.get('question') ?? t('try.example'), oninput: () => keep({ question: question.value }) });
	const ask = h('button.button.main', { disabled: true }, t('try.ask'));
	let image;
	const take = (file) => {
		image = file;
		URL.revokeObjectURL(preview.src);
		preview.src = URL.createObjectURL(file);
		frame.hidden = ask.disabled = false;
		fill(answers);
	};
	const zone = dropZone('try.drop', 'image/*', (file) => take(file, keep({ file: null, row: null })));
	const onsubmit = async (event) => {
		event.preventDefault();
		ask.disabled = true;
		fill(answers, h('p', h('span.spinner'), t('try.asking')));
		const said = await upload('predict', { image, question: question.value, job_id: job.job_id }).catch((error) => fill(answers, problems(error)));
		if (said) fill(answers, ['base', 'adapter'].map((name) => said[name] && side(name, said[name])));
		ask.disabled = false;
	};
	fill(host, h('form.halves', { onsubmit }, h('div.stack', zone, frame), h('div.stack', field(t('try.question'), question), ask, answers)));
	const [file, row] = [query.get('file'), query.get('row')];
	if (file) take(await (await read(`files/${file}/images/${row}`)).blob());
}

const side = (name, { count, text, explanation }) =>
	h('section.panel', { 'data-side': name }, h('h2', t(name)), h('strong', count === null ? t('noCount') : measured(count, 0)), h('blockquote', text), explanation && muted(explanation));
