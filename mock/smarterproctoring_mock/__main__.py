"""`python -m smarterproctoring_mock`: run the mock server."""

import sys

from smarterproctoring_mock.server import main

if __name__ == "__main__":
    sys.exit(main())
