import { expect, it } from 'vitest';
import { readFileSync } from 'node:fs';

import { childEnvironment } from '../../src/run/child_environment.js';

const NEEDED = {
  PATH: '/bin',
  HOME: '/root',
  LC_ALL: 'C',
  LD_LIBRARY_PATH: '/l',
  PYTHONPATH: '/p',
  CUDA_VISIBLE_DEVICES: '0',
  NVIDIA_VISIBLE_DEVICES: 'all',
  NCCL_DEBUG: 'INFO',
  TORCHINDUCTOR_CACHE_DIR: '/c',
  VLLM_CPU_KVCACHE_SPACE: '2',
  HF_HOME: '/h',
  HF_TOKEN: 'hf',
  OMP_NUM_THREADS: '2',
  https_proxy: 'http://proxy',
  NO_PROXY: '*',
  SSL_CERT_FILE: '/ca',
  NODE_OPTIONS: '--inspect=0',
};

it('a child gets what it is set by, and no secret that only lies beside it', () => {
  const secrets = {
    OPENAI_API_KEY: 's',
    AWS_SECRET_ACCESS_KEY: 's',
    GYRE_TRAINER_TOKEN: 's',
    GYRE_ENGINE_KEY: 's',
    VLLM_API_KEY: 's',
    NODE_AUTH_TOKEN: 's',
    GITHUB_TOKEN: 's',
    MCP_SECRET: 's',
    MY_PATH: 's',
    UNSET: undefined,
  };
  expect(childEnvironment({ ...NEEDED, ...secrets })).toEqual(NEEDED);
});

it("the trainer's list for vLLM has every name and prefix of ours but node's", () => {
  const words = (file: string, quote: string): string[] =>
    [...readFileSync(file, 'utf8').matchAll(new RegExp(`${quote}([A-Z][A-Z_]+)${quote}`, 'g'))].map(
      ([, word]) => word ?? '',
    );
  const ours = words('src/run/child_environment.ts', "'").filter((word) => !word.startsWith('NODE_'));
  expect(words('trainer/gyre_trainer/machine/environment.py', '"').sort()).toEqual(ours.sort());
});
