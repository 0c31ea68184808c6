from midfill.cli import main

raise SystemExit(main())
