import { expect, it } from 'vitest';
import { readFileSync } from 'node:fs';

import { childEnvironment, clockEnvironment } from '../../src/run/child_environment.js';

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
    NVIDIA_API_KEY: 's',
    HF_TOKEN: 's',
    HUGGINGFACEHUB_API_TOKEN: 's',
    HUGGINGFACE_API_TOKEN: 's',
    RAY_REDIS_PASSWORD: 's',
    TORCH_HUB_apikey: 's',
    NCCL_SECRET: 's',
    TRANSFORMERS_ACCESS_KEY: 's',
    CUDA_CREDENTIALS: 's',
    XDG_TOKEN: 's',
    UNSET: undefined,
  };
  expect(childEnvironment({ ...NEEDED, ...secrets })).toEqual(NEEDED);
  const { PATH, HOME, LC_ALL, LD_LIBRARY_PATH, https_proxy, NO_PROXY, SSL_CERT_FILE, NODE_OPTIONS } = NEEDED;
  const plain = { PATH, HOME, LC_ALL, LD_LIBRARY_PATH, https_proxy, NO_PROXY, SSL_CERT_FILE, NODE_OPTIONS };
  expect(clockEnvironment({ ...NEEDED, ...secrets })).toEqual(plain);
});

it("the trainer's rule of what is a secret is ours", () => {
  const rule = (file: string, pattern: RegExp): string | undefined => pattern.exec(readFileSync(file, 'utf8'))?.[1];
  const ours = rule('src/run/child_environment.ts', /SECRET = \/(.*)\/i;/);
  expect(ours).toContain('TOKEN');
  expect(rule('trainer/gyre_trainer/machine/environment.py', /re\.compile\(\s*r"(.*)", re\.IGNORECASE/)).toBe(ours);
});

it("the trainer's list for vLLM has every name and prefix of ours but node's", () => {
  const words = (file: string, quote: string): string[] =>
    [...readFileSync(file, 'utf8').matchAll(new RegExp(`${quote}([A-Z][A-Z_]+)${quote}`, 'g'))].map(
      ([, word]) => word ?? '',
    );
  const ours = words('src/run/child_environment.ts', "'").filter((word) => !word.startsWith('NODE_'));
  expect(words('trainer/gyre_trainer/machine/environment.py', '"').sort()).toEqual(ours.sort());
});
