/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a program needs of memory at most: scale.py has workers started by it.
 *
 *     bench-peak FILE COMMAND...
 *
 * Runs the command in a child, and when it has ended appends a line to FILE: the most KiB that it,
 * or any child that it has awaited, had in memory. Has to be small itself: what it has in memory
 * counts for the child until that runs the command.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
        struct rusage usage;
        int status, fd;
        pid_t child;

        if (argc < 3) {
                fprintf(stderr, "usage: bench-peak FILE COMMAND...\n");
                return 2;
        }
        child = fork();
        if (child == 0) {
                execvp(argv[2], &argv[2]);
                perror(argv[2]);
                _exit(127);
        }
        while (wait4(child, &status, 0, &usage) < 0)
                if (errno != EINTR)
                        return EXIT_FAILURE;

        fd = open(argv[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (fd < 0 || dprintf(fd, "%ld\n", usage.ru_maxrss) < 0)
                return EXIT_FAILURE;
        return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}
