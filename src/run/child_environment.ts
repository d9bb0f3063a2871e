/**
 * What of our environment a child gets: what it and its libraries are set by. Secrets of the configuration are often
 * variables too, and are none of its business. `trainer/gyre_trainer/machine/environment.py` has the list for vLLM.
 */
type Env = Readonly<Record<string, string | undefined>>;

const NAMES: ReadonlySet<string> = new Set([
  ...['PATH', 'HOME', 'USER', 'LOGNAME', 'LANG', 'LANGUAGE', 'TZ', 'TMPDIR', 'TMP', 'TEMP', 'TERM', 'HOSTNAME'],
  ...['VIRTUAL_ENV', 'CC', 'CXX', 'CFLAGS', 'CXXFLAGS', 'LDFLAGS', 'LIBRARY_PATH', 'CPATH', 'MAX_JOBS'],
  ...['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'NO_PROXY'],
  ...['SSL_CERT_FILE', 'SSL_CERT_DIR', 'REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE'],
  // Not all that begins with NODE_: a registry's token may.
  ...['NODE_OPTIONS', 'NODE_EXTRA_CA_CERTS', 'NODE_PATH', 'NODE_ENV', 'NODE_V8_COVERAGE', 'NODE_NO_WARNINGS'],
  ...['NODE_TLS_REJECT_UNAUTHORIZED', 'NODE_USE_ENV_PROXY', 'NODE_COMPILE_CACHE', 'NODE_DEBUG'],
  'GYRE_GROUPED_LORA',
]);
/** Of every program. */
const PLAIN: readonly string[] = ['LC_', 'XDG_', 'LD_', 'MALLOC_'];
const PREFIXES: readonly string[] = [
  ...PLAIN,
  'PYTHON',
  ...['CUDA', 'NVIDIA_', 'NV_', 'NCCL_', 'CUBLAS', 'CUDNN', 'ROCM_', 'HIP_', 'HSA_', 'GLOO_', 'UCX_'],
  ...['TORCH', 'PYTORCH_', 'TRITON_', 'FLASHINFER_', 'XFORMERS_', 'RAY_', 'VLLM_'],
  ...['HF_', 'HUGGINGFACE_', 'TRANSFORMERS_', 'TOKENIZERS_', 'SAFETENSORS_'],
  ...['OMP_', 'GOMP_', 'KMP_', 'MKL_', 'OPENBLAS_', 'BLIS_', 'ATEN_', 'DNNL_', 'ONEDNN_'],
];
/** A library's prefix is also that of its service's keys. None is needed: nothing is fetched by trainer and vLLM. */
const SECRET = /(^|_)((API|ACCESS|PRIVATE|SECRET)_?KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$/i;

/** What trainer and vLLM get. */
export function childEnvironment(env: Env): Record<string, string> {
  return allowed(env, PREFIXES);
}

/** What the learning clock gets: a program of Node, which asks the engine and runs tools. */
export function clockEnvironment(env: Env): Record<string, string> {
  return allowed(env, PLAIN);
}

/** Proxies are spelled in small letters, too. */
function allowed(env: Env, prefixes: readonly string[]): Record<string, string> {
  const given: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    const isNeeded = NAMES.has(name.toUpperCase()) || prefixes.some((prefix) => name.startsWith(prefix));
    if (value !== undefined && isNeeded && !SECRET.test(name)) given[name] = value;
  }
  return given;
}
