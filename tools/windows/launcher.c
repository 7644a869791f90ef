/* launcher.c - python.exe, as in CPython's PC/python.c.
 *
 * The wheel that the rest of CPython is taken from has none.  Owns nothing. */
#include <wchar.h>

__declspec(dllimport) int
Py_Main(int argc, wchar_t **argv);

int
wmain(int argc, wchar_t **argv)
{
    return Py_Main(argc, argv);
}
