"""Network namespaces with devices, addresses and processes, and the register that removes them again."""
