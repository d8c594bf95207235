"""python -m snapshot_agent"""

from .app import main

if __name__ == "__main__":
    main()
