"""Grammars that write labelled sentences, for kinds of tasks no package carries real text for."""
