"""What Runwright costs beside the same commands in a shell script: measured in one run, told as ratios."""
