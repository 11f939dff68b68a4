/* SPDX-License-Identifier: MIT
 *
 * A shared object that is no plugin; with UNRESOLVED also one that cannot be loaded.
 */
__attribute__((visibility("default"))) int assay_test_value(void);

#ifdef UNRESOLVED
int assay_test_missing(void);
int assay_test_value(void) { return assay_test_missing(); }
#else
int assay_test_value(void) { return 1; }
#endif
