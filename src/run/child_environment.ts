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
const PREFIXES: readonly string[] = [
  ...['LC_', 'XDG_', 'LD_', 'PYTHON', 'MALLOC_'],
  ...['CUDA', 'NVIDIA_', 'NV_', 'NCCL_', 'CUBLAS', 'CUDNN', 'ROCM_', 'HIP_', 'HSA_', 'GLOO_', 'UCX_'],
  ...['TORCH', 'PYTORCH_', 'TRITON_', 'FLASHINFER_', 'XFORMERS_', 'RAY_', 'VLLM_'],
  ...['HF_', 'HUGGINGFACE_', 'TRANSFORMERS_', 'TOKENIZERS_', 'SAFETENSORS_'],
  ...['OMP_', 'GOMP_', 'KMP_', 'MKL_', 'OPENBLAS_', 'BLIS_', 'ATEN_', 'DNNL_', 'ONEDNN_'],
];
/** Keys of a vLLM that is somebody else's. */
const NEVER: ReadonlySet<string> = new Set(['VLLM_API_KEY']);

/** Proxies are spelled in small letters, too. */
export function childEnvironment(env: Env): Record<string, string> {
  const given: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    const isNeeded = NAMES.has(name.toUpperCase()) || PREFIXES.some((prefix) => name.startsWith(prefix));
    if (value !== undefined && isNeeded && !NEVER.has(name)) given[name] = value;
  }
  return given;
}
