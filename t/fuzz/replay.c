/*
 * Feeds files to a fuzz target without libFuzzer, so that the seeds run in
 * every test run with any compiler.  Each file is given in a heap block of
 * exactly its size: AddressSanitizer sees the first byte read beyond it.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static int
replay(const char *path)
{
    FILE     *file;
    long      size;
    uint8_t  *data;

    file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return 1;
    }

    fseek(file, 0, SEEK_END);
    size = ftell(file);
    rewind(file);

    data = malloc(size > 0 ? (size_t) size : 1);
    if (size < 0 || data == NULL
        || fread(data, 1, (size_t) size, file) != (size_t) size)
    {
        perror(path);
        free(data);
        fclose(file);
        return 1;
    }

    fclose(file);

    printf("%s: %ld bytes\n", path, size);
    fflush(stdout);

    LLVMFuzzerTestOneInput(data, (size_t) size);
    free(data);

    return 0;
}


int
main(int argc, char **argv)
{
    int  i, failed;

    failed = 0;

    for (i = 1; i < argc; i++) {
        failed |= replay(argv[i]);
    }

    return failed;
}
