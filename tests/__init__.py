"""heapfast's tests; the folders say what each part holds (CONTRIBUTING.md)."""
