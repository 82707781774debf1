"""The cellar: vocabulary, settings, ledger and store that service and worker share; it imports nothing above itself."""
