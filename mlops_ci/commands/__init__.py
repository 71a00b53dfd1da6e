"""One file per verb, with one public function of the same name."""
