"""The demo province: what stands in it, and the steps that bring it in. Everything goes through the domains' own services."""
