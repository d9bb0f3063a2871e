"""What of our environment a child gets: what its libraries are set by, and no secret that only lies beside it."""

import re
from collections.abc import Mapping

NAMES = {
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TMP", "TEMP", "TERM", "HOSTNAME"),
    *("VIRTUAL_ENV", "CC", "CXX", "CFLAGS", "CXXFLAGS", "LDFLAGS", "LIBRARY_PATH", "CPATH", "MAX_JOBS"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GYRE_GROUPED_LORA"),
}
PREFIXES = (
    *("LC_", "XDG_", "LD_", "PYTHON", "MALLOC_"),
    *("CUDA", "NVIDIA_", "NV_", "NCCL_", "CUBLAS", "CUDNN", "ROCM_", "HIP_", "HSA_", "GLOO_", "UCX_"),
    *("TORCH", "PYTORCH_", "TRITON_", "FLASHINFER_", "XFORMERS_", "RAY_", "VLLM_"),
    *("HF_", "HUGGINGFACE_", "TRANSFORMERS_", "TOKENIZERS_", "SAFETENSORS_"),
    *("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "BLIS_", "ATEN_", "DNNL_", "ONEDNN_"),
)
# A library's prefix is also that of its service's keys. None is needed: vLLM fetches nothing.
SECRET = re.compile(
    r"(^|_)((API|ACCESS|PRIVATE|SECRET)_?KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$", re.IGNORECASE
)


def allowed(env: Mapping[str, str]) -> dict[str, str]:
    """The variables of `env` that a child may have. Proxies are spelled in small letters, too."""
    return {
        name: value
        for name, value in env.items()
        if SECRET.search(name) is None and (name.upper() in NAMES or name.startswith(PREFIXES))
    }
