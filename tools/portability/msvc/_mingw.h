/* _mingw.h - lets clang read mingw-w64's C library headers in MSVC's dialect.
 *
 * They put __declspec() where MSVC's own headers never do, and clang for MSVC
 * takes it only before a declaration.  Comes first on the include path. */
#include_next <_mingw.h>

#undef __MINGW_ATTRIB_NORETURN
#define __MINGW_ATTRIB_NORETURN
#undef __MINGW_ATTRIB_DEPRECATED
#define __MINGW_ATTRIB_DEPRECATED
#undef __attribute__ /* defined as nothing, but clang's own headers need it */
