// Where a job starts from: the documented defaults, less of them, or more.

export const PRESETS = {
  quick: {
    training_config: { num_epochs: 5, max_steps: 40, num_generations: 4, learning_rate: 1e-4, temperature: 0.8, max_image_size: 336, max_new_tokens: 32, save_steps: 5 },
    lora_config: { r: 16, lora_alpha: 32 },
  },
  balanced: {},
  thorough: {
    training_config: { num_epochs: 100, num_generations: 16, learning_rate: 2e-5, temperature: 0.6, learning_rate_schedule: 'cosine', warmup_steps: 20 },
  },
};

/** The settings that the user's document names; the others come after them. */
export const DOCUMENTED = [
  'num_epochs', 'learning_rate', 'batch_size', 'gradient_accumulation_steps', 'num_generations',
  'temperature', 'use_4bit', 'max_image_size', 'seed', 'r', 'lora_alpha', 'lora_dropout',
];
