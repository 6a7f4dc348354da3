"""Routes by URL: a control plane hands them and their bundles out, servers on other machines follow."""
