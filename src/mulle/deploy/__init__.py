"""What puts a bundle somewhere else: a folder for browsers, and recipes for servers. It writes files and starts nothing.

Imports the runtime and the core only. What it writes lies beside it as files: `browser/`, `server/`.
"""
