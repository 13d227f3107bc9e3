"""`python -m gateway` is `guardrail-gateway`."""

from gateway.cli import main

if __name__ == "__main__":
    main()
