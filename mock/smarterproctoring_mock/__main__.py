"""`python -m smarterproctoring_mock` runs the server."""

import sys

import smarterproctoring_mock

if __name__ == "__main__":
    sys.exit(smarterproctoring_mock.main())
