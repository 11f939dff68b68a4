/* SPDX-License-Identifier: MIT
 *
 * Uniform numbers in [0, 1) from Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011). Element e of
 * a sample is word e % 4 of the block for counter {e / 4, stream, 0, 0} and the sample's key, shifted right by 8, times 2^-24: the same bits
 * on every device. A work-item a block.
 */

/* Work-items of a work-group. */
#ifndef GROUP_SIZE
#define GROUP_SIZE 64
#endif

__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void random_uniform(__global const uint *keys, __global float *y, const uint samples,
                                                                                     const uint width, const uint stream) {
  const uint blocks = (width + 3) / 4, index = get_global_id(0);
  if (index >= samples * blocks) return;
  const uint sample = index / blocks, block = index % blocks;
  uint counter0 = block, counter1 = stream, counter2 = 0, counter3 = 0, key0 = keys[2 * sample], key1 = keys[2 * sample + 1];
  for (int round = 0; round < 10; round++) {
    const uint high0 = mul_hi(0xD2511F53u, counter0), low0 = 0xD2511F53u * counter0;
    const uint high2 = mul_hi(0xCD9E8D57u, counter2), low2 = 0xCD9E8D57u * counter2;
    counter0 = high2 ^ counter1 ^ key0;
    counter1 = low2;
    counter2 = high0 ^ counter3 ^ key1;
    counter3 = low0;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  const uint words[4] = {counter0, counter1, counter2, counter3};
  for (uint word = 0; word < 4 && block * 4 + word < width; word++) y[sample * width + block * 4 + word] = (float)(words[word] >> 8) * 0x1p-24f;
}
