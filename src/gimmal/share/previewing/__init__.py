"""What is made of shared files by other people's decoders, in processes that can do nothing else."""
