/* Status codes of every entry point. One table gives the enum and the texts, so that they cannot drift apart. */
#ifndef EDGETWIN_STATUS_H
#define EDGETWIN_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

/* Numbers travel in STATUS and CODE frames (PROTOCOL.md): never renumber, only append. */
#define ET_STATUS_TABLE(X)                                                     \
    X(ET_OK, 0, "ok")                                                          \
    X(ET_ERR_ARGUMENT, 1, "an argument is outside its documented range")       \
    X(ET_ERR_WORKSPACE, 2, "workspace too small or not aligned to 4 bytes")    \
    X(ET_ERR_NOT_FINITE, 3, "the signal holds NaN or infinity")                \
    X(ET_ERR_OVERFLOW, 4, "a coefficient does not fit a float32")              \
    X(ET_ERR_CAPACITY, 5, "the output buffer is too small")                    \
    X(ET_ERR_TRUNCATED, 6, "the data end too early")                           \
    X(ET_ERR_MAGIC, 7, "not an edgetwin bundle")                               \
    X(ET_ERR_VERSION, 8, "the format version is not supported")                \
    X(ET_ERR_CRC, 9, "the CRC-32 does not match: the data are corrupted")      \
    X(ET_ERR_ID, 10, "the content id does not match the payload")              \
    X(ET_ERR_KIND, 11, "the bundle is of another kind")                        \
    X(ET_ERR_FORMAT, 12, "a field has an impossible value")                    \
    X(ET_ERR_NORM, 13, "an atom does not have unit norm")                      \
    X(ET_ERR_FIT, 14, "the bundle does not fit this board")                    \
    X(ET_ERR_AUTH, 15, "authentication failed or missing")                     \
    X(ET_ERR_STATE, 16, "no session: say hello first")                         \
    X(ET_ERR_FLASH, 17, "the bundle slot could not be erased or written")      \
    X(ET_ERR_CODEC, 18, "the codec is not known")                              \
    X(ET_ERR_NO_DICTIONARY, 19, "the node holds no dictionary")                \
    X(ET_ERR_UNSUPPORTED, 20, "the request is not supported by this node")     \
    X(ET_ERR_OFFSET, 21, "upload data do not follow on what was received")     \
    X(ET_PENDING, 22, "the next window is not complete yet")                   \
    X(ET_ERR_KERNEL, 23, "the model needs a kernel that is not linked here")   \
    X(ET_ERR_TARGET, 24, "the model is packed for another kind of core")       \
    X(ET_ERR_NO_MODEL, 25, "the node holds no model")                          \
    X(ET_ERR_BUSY, 26, "the node is at work: end the upload or the stream")

typedef enum et_status {
#define ET_STATUS_ENUM(name, number, text) name = number,
    ET_STATUS_TABLE(ET_STATUS_ENUM)
#undef ET_STATUS_ENUM
} et_status;

/* English text of a status; "unknown status" for a number outside the table. */
const char *et_status_text(et_status status);

#ifdef __cplusplus
}
#endif
#endif
