#include "edgetwin/status.h"

const char *et_status_text(et_status status)
{
    switch (status) {
#define ET_STATUS_TEXT(name, number, text)                                                                             \
    case name:                                                                                                         \
        return text;
        ET_STATUS_TABLE(ET_STATUS_TEXT)
#undef ET_STATUS_TEXT
    }
    return "unknown status";
}
