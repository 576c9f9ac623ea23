"""`python -m ipvae_snn`: the command line, for launchers such as torchrun that take a module."""

from ipvae_snn.cli.app import main

if __name__ == "__main__":
    main()
