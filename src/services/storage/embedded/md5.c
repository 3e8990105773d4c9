/* MD5 (RFC 1321) for ETags: S3 defines them by it, nothing here trusts it. */
#include "services/storage/embedded/inside.h"

#include <openssl/evp.h>

EVP_MD_CTX *vk_ob_md5_new(void)
{
    EVP_MD_CTX *m = EVP_MD_CTX_new();
    if (m && EVP_DigestInit_ex(m, EVP_md5(), NULL) != 1) {
        EVP_MD_CTX_free(m);
        return NULL;
    }
    return m;
}

void vk_ob_md5_add(EVP_MD_CTX *m, const void *p, size_t n)
{
    if (EVP_DigestUpdate(m, p, n) != 1)
        abort(); /* it has no reason to fail once begun; a wrong ETag must not be stored */
}

void vk_ob_md5_end(EVP_MD_CTX *m, uint8_t out[16])
{
    if (out && EVP_DigestFinal_ex(m, out, NULL) != 1)
        abort();
    EVP_MD_CTX_free(m);
}
