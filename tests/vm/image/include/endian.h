/* SPDX-License-Identifier: MIT
 * The byte order of x86, which is that of stamps. */
#ifndef VBDD_VM_ENDIAN_H
#define VBDD_VM_ENDIAN_H

#define htole32(value) (value)
#define htole64(value) (value)
#define le32toh(value) (value)
#define le64toh(value) (value)

#endif
